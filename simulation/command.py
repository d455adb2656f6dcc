"""The command ``simulate``: runs a simulation, shows its progress, and writes its summary."""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

import orjson
import uvloop
from rich.console import Console

from simulation import display
from simulation.options import Options, OptionsError
from simulation.simulation import Simulation
from simulation.summary import Summary

# As a shell shows a program that ended by SIGINT.
INTERRUPTED = 130
FAULTY = 2


def simulate(options: Options, *, json_path: Path | None) -> int:
    """Run a simulation; returns the exit status. Ctrl-C ends it with the summary so far; a second Ctrl-C, at once.

    Raises:
        CannotSimulate: there is no such server, it refuses the sign-ups, or the file cannot be written.
    """
    if json_path is not None:
        # Open the file before the run, so that no result is lost because it cannot be written.
        try:
            json_path.touch()
        except OSError as error:
            raise OptionsError(f"--json: {json_path} cannot be written ({error.strerror})") from None
    try:
        summary, was_stopped = uvloop.run(_simulate(options))
    except asyncio.CancelledError:
        return INTERRUPTED
    # In a pipe, rich assumes 80 columns and would wrap the notes.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(display.table(summary))
    if json_path is not None:
        json_path.write_bytes(orjson.dumps(summary.as_json(), option=orjson.OPT_INDENT_2) + b"\n")
    if not summary.holds:
        return FAULTY
    return INTERRUPTED if was_stopped else 0


async def _simulate(options: Options) -> tuple[Summary, bool]:
    simulation = Simulation(options)
    running = asyncio.create_task(simulation.run())

    def interrupt() -> None:
        if simulation.is_stopping:
            running.cancel()
        simulation.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    # Progress goes to standard error, so that a pipe gets only the summary.
    showing = asyncio.create_task(display.show(simulation.progress, options, Console(stderr=True)))
    try:
        return await running, simulation.is_stopping
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
