"""Applications that start immediately or never, for tests of the code that runs servers."""

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from application.workers import end_with_parent


def works() -> ASGIApp:
    """Answers with its process id, when it has read the body."""
    end_with_parent()

    async def pid(request: Request) -> PlainTextResponse:
        await request.body()
        return PlainTextResponse(str(os.getpid()))

    return Starlette(routes=[Route("/", pid, methods=["GET", "POST"])])


def fails() -> NoReturn:
    """Cannot start."""
    sys.exit(1)


def is_killed() -> NoReturn:
    """Dies while it starts."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def fails_once() -> ASGIApp:
    """Fails for the first process that starts it."""
    try:
        (Path(os.environ["FAILED_ONCE"])).touch(exist_ok=False)
    except FileExistsError:
        return works()
    sys.exit(7)


def starts_so_often() -> ASGIApp:
    """Starts once for each letter in a file."""
    left = Path(os.environ["STARTS"])
    if not (letters := left.read_text()):
        sys.exit(7)
    left.write_text(letters[1:])
    return works()
