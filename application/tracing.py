"""Tracing, as the settings and OpenTelemetry's own variables want it."""

from application.errors import StartError
from application.settings import PREFIX, Settings, otel_variables
from services.tracing import sdk
from services.tracing.tracing import Tracing


def start_tracing(settings: Settings) -> Tracing | None:
    """Begin to trace; None: no. Raises: StartError."""
    if not settings.tracing:
        return None
    try:
        return sdk.start(otel_variables())
    except sdk.TracingUnusable as error:
        raise StartError(f"{PREFIX}TRACING: {error}") from None


def check_tracing(settings: Settings) -> None:
    """Raises: StartError: tracing is wanted and cannot work."""
    if not settings.tracing:
        return
    try:
        sdk.check(otel_variables())
    except sdk.TracingUnusable as error:
        raise StartError(f"{PREFIX}TRACING: {error}") from None
