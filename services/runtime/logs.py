"""Structured logs: one line an event, on standard error, for people or for machines."""

import logging
import sys
from asyncio import CancelledError
from typing import Literal

import structlog

from services.tracing.log_lines import add_trace


class _StopsAndProblems(logging.Filter):
    """Passes only uvicorn's warnings, errors and its message that it stops."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record. Rewrites the message of the stop."""
        if record.exc_info and record.exc_info[0] is CancelledError:
            # uvicorn cancelled a request that ran too long at the stop, and has already logged how many.
            return False
        if record.msg == "Shutting down":
            record.msg = "stopping"
            return True
        return record.levelno >= logging.WARNING


def configure(*, level: str, format: Literal["console", "json"]) -> None:
    """Send the logs of Taxirank and of its libraries to standard error in one format."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if format == "json":
        rendering: list[structlog.types.Processor] = [
            # No values of local variables: some are passwords.
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
        # Filter first, so that suppressed lines cost nothing.
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
    # While the database is unreachable, the pool logs a traceback for each attempt; requests and `/readyz`
    # report the outage already.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    # starlette-admin logs form input at the debug level, passwords included.
    logging.getLogger("starlette_admin").setLevel(logging.ERROR)
    # uvicorn logs every socket, websockets every frame, and httpx every URL, which contains positions.
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.setLevel(max(logging.INFO, root.level))
    uvicorn.filters[:] = [_StopsAndProblems()]
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
