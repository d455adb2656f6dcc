"""The trace in log lines."""

from opentelemetry import trace
from structlog.typing import EventDict, WrappedLogger


def add_trace(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Add ``trace_id`` and ``span_id`` of the current span, if there is one. Part of structlog's processors."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = trace.format_trace_id(context.trace_id)
        line["span_id"] = trace.format_span_id(context.span_id)
    return line
