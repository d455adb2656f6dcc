"""Command-line processes that are forked from a process with all imports done, because imports take most of a
start.

They are real processes with a process id, signals and an exit status. Tests of the start itself (imports,
uvicorn's workers) start a new Python instead.
"""

import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from application.commands import cli
from application.paths import ROOT

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.preloaded"])


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    *,
    prepare: Callable[[], None] | None = None,
) -> ForkServerProcess:
    """Start `server.py` with only this environment. Its output goes to the file.

    ``prepare`` runs in the process before it starts: a function of a module.

    Read its exit status in one thread only: two threads would take it from each other.
    """
    process = _context.Process(target=_run, args=(tuple(arguments), dict(environment), log, prepare))
    process.start()
    return process


def _run(
    arguments: tuple[str, ...], environment: dict[str, str], log: Path, prepare: Callable[[], None] | None
) -> None:
    """The same as `python server.py`, in the forked process."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["server.py", *arguments]
    if prepare is not None:
        prepare()
    # Memory that it shares with other forked processes stays shared.
    gc.freeze()
    cli()
