"""Results as server-sent events.

Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, "Distinct connections mode"
"""

from collections.abc import Sequence

from graphql import ExecutionResult, GraphQLError

from schema.operations.execution import encode
from schema.transport.media_types import EVENT_STREAM
from schema.transport.send_queue import Frame
from schema.transport.subscription_stream import part_of_body


class EventFraming:
    """``next`` and ``complete`` events; a comment keeps the connection alive."""

    key = "event"
    content_type = EVENT_STREAM
    opening = b""
    keep_alive = b":\n\n"

    def next(self, payload: bytes) -> Frame:
        """The event with one result, given as JSON."""
        return part_of_body(b"event: next\ndata: " + payload + b"\n\n")

    def failure(self, errors: Sequence[GraphQLError]) -> Frame:
        """The event with the errors that end the operation."""
        return self.next(encode(ExecutionResult(None, list(errors))))

    def complete(self) -> Frame:
        """The last event. It has data, because browsers ignore events without any."""
        return part_of_body(b"event: complete\ndata:\n\n")
