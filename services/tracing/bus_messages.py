"""The trace of a change in its bus message.

It is the last key of the message's JSON object, as W3C's ``traceparent``. Servers that do not know it, or do not
trace, ignore it, and their own messages have none. What people typed cannot pass for it: JSON escapes quotes.
"""

import re

from opentelemetry.trace import SpanContext, TraceFlags, format_span_id, format_trace_id

_KEY = b',"traceparent":"'
_END = b'"}'
_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_VALUE_BYTES = 55
_KEY_AT = -(len(_KEY) + _VALUE_BYTES + len(_END))
_VALUE_AT = -(_VALUE_BYTES + len(_END))


def stamped(message: bytes, context: SpanContext) -> bytes:
    """The message with the context; a message that is no JSON object stays as it is."""
    if not message.endswith(b"}"):
        return message
    trace_id, span_id = format_trace_id(context.trace_id), format_span_id(context.span_id)
    return message[:-1] + _KEY + f"00-{trace_id}-{span_id}-{context.trace_flags:02x}".encode() + _END


def context_of(message: bytes) -> SpanContext | None:
    """The context of a message, if it has one."""
    if message[_KEY_AT:_VALUE_AT] != _KEY:
        return None
    found = _TRACEPARENT.fullmatch(message[_VALUE_AT : -len(_END)])
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid else None
