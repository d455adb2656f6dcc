"""Processes of the command line, forked from one that has imported it already: that is most of what a start costs.

They are real ones, with a process id, signals and an exit status. Tests of the start itself (imports, uvicorn's
workers) start Python anew instead.
"""

import gc
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from application.commands import cli
from application.paths import ROOT

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.preloaded"])


def start(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> ForkServerProcess:
    """Start `server.py` with nothing but this environment. What it writes goes to the file.

    Ask for its end in one thread only: two would take its exit status from each other.
    """
    process = _context.Process(target=_run, args=(tuple(arguments), dict(environment), log))
    process.start()
    return process


def _run(arguments: tuple[str, ...], environment: dict[str, str], log: Path) -> None:
    """What `python server.py` does, in the process that was forked."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["server.py", *arguments]
    # What it shares with those that are forked beside it stays shared.
    gc.freeze()
    cli()
