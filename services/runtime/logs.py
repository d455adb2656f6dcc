"""Structured logs: one line an event, on standard error, for people or for machines."""

import logging
import sys
from asyncio import CancelledError
from typing import Literal

import structlog


class _ThatItStops(logging.Filter):
    """Of what uvicorn tells, lets through that it stops, and what is wrong."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is one of those; the first in a word of ours."""
        if record.exc_info and record.exc_info[0] is CancelledError:
            # It was under way at a stop for too long, and uvicorn has said already how many were.
            return False
        if record.msg == "Shutting down":
            record.msg = "stopping"
            return True
        return record.levelno >= logging.WARNING


def configure(*, level: str, format: Literal["console", "json"]) -> None:
    """Send our logs, and those of the libraries, to standard error in one form."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if format == "json":
        rendering: list[structlog.types.Processor] = [
            # Never the values of variables: passwords are among them.
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(),
        ]
    else:
        rendering = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    structlog.configure(
        # First, so that what is not logged costs nothing.
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # What the pool tells of a database that is away is a traceback with each try to reach it; requests and
    # `/readyz` say it too.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    # starlette-admin tells at the debug level what was written into forms, passwords among them.
    logging.getLogger("starlette_admin").setLevel(logging.ERROR)
    # uvicorn tells of every socket, websockets of every frame, and httpx of every address, with positions in it.
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(max(logging.INFO, root.level))
    uvicorn.filters[:] = [_ThatItStops()]
    for name in (
        "uvicorn.asgi",
        "uvicorn.error.sockets",
        "websockets",
        "asyncio",
        "tortoise",
        "aiosqlite",
        "httpx",
        "httpcore",
    ):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
