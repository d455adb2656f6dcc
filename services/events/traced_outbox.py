"""An outbox that traces what it publishes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.events.bus import Bus
from services.events.outbox import Outbox
from services.events.sweep import Announcement
from services.events.topics import Topics
from services.tracing.bus_messages import stamped
from services.tracing.tracing import Span, SpanKind, Tracing, failed


class TracedOutbox(Outbox):
    """Gives each announcement a span from its commit until the broker has it, and the message its context.

    It is in the trace of whoever asked for the change. What a sweep publishes is in no trace: the note of
    a change does not say who asked.
    """

    def __init__(self, tracing: Tracing, *, system: str, bus: Bus, topics: Topics, **parts: Any) -> None:
        """``system``: the name of the broker. ``parts``: the others of an Outbox."""
        super().__init__(bus=bus, topics=topics, **parts)
        self._tracing = tracing
        self._system = system
        self._bus = self._publishing = _TracedPublisher(bus)

    def _enqueue(self, announcement: Announcement) -> bool:
        caller = announcement.caller or self._tracing.here()
        if caller is None:
            return super()._enqueue(announcement)
        topic = announcement.topics[0]
        span = self._tracing.begin(
            f"publish {self._topics.kind(topic) or 'event'}",
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": self._system,
                "messaging.operation.name": "publish",
                "messaging.operation.type": "send",
                "messaging.destination.name": topic,
                "taxirank.topics": len(announcement.topics),
            },
            parent=caller,
        )
        message = stamped(announcement.message, span.get_span_context())
        has_room = super()._enqueue(replace(announcement, message=message))
        if has_room:
            self._publishing.spans[message] = span
        else:
            _end(span, "outbox_full")
        return has_room


class _TracedPublisher:
    """Publishes on the bus, and ends the spans of what it has published."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        # By the message that is to be published.
        self.spans: dict[bytes, Span] = {}

    async def publish(self, events: Sequence[tuple[Sequence[str], bytes]]) -> bool:
        """As ``Bus.publish``."""
        published = False
        try:
            published = await self._bus.publish(events)
        finally:
            for _, message in events:
                span = self.spans.pop(message, None)
                if span is not None:
                    _end(span, None if published else "not_accepted")
        return published


def _end(span: Span, error_type: str | None) -> None:
    if error_type is not None:
        failed(span, error_type)
    span.end()
