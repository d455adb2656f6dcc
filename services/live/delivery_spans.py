"""The spans of deliveries: one for each traced event and process, however many topics and subscribers it has."""

import asyncio
import time
from collections.abc import Iterator

from services.live.events import DriveEvent, Event, TripEvent
from services.tracing.bus_messages import context_of
from services.tracing.tracing import Attributes, Span, SpanKind, Tracing

# An event comes on several topics, nearly at once. Its span is reported this long after the first delivery.
REPORT_AFTER_S = 1.0


class _EventSpan:
    """The span of an event, from its first delivery to the end of its last one."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.running = 0
        self.topics = 0
        self.subscribers = 0
        self.ended_ns = time.time_ns()


class DeliverySpans:
    """Traces deliveries in the trace of whoever caused the event, with a link to its publication."""

    def __init__(self, tracing: Tracing, *, system: str) -> None:
        """``system``: the name of the broker."""
        self._tracing = tracing
        self._system = system
        self._open: dict[bytes, _EventSpan] = {}

    def of(self, message: bytes, event: Event, pieces: Iterator[None], *, followers: int) -> Iterator[None]:
        """The pieces of a delivery on one topic, within the span of the event."""
        found = self._open.get(message)
        if found is None:
            context = context_of(message)
            if context is None or not context.trace_flags.sampled or not followers:
                return pieces
            span = self._tracing.begin(
                f"process {_kind(event)}",
                kind=SpanKind.CONSUMER,
                attributes=self._attributes(event),
                parent=context,
                links=[context],
            )
            found = self._open[message] = _EventSpan(span)
            self._report_soon(message)
        return _within(found, pieces, followers)

    def report(self) -> None:
        """End all spans: the process stops."""
        for message in list(self._open):
            self._report(message)

    def _attributes(self, event: Event) -> Attributes:
        about: dict[str, str | int | bool] = {
            "messaging.system": self._system,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
        }
        if isinstance(event, TripEvent | DriveEvent):
            trip = event.trip
            about |= {
                "taxirank.trip.id": str(trip.id),
                "taxirank.trip.version": trip.version,
                "taxirank.trip.status": trip.status.value,
            }
        return about

    def _report_soon(self, message: bytes) -> None:
        asyncio.get_running_loop().call_later(REPORT_AFTER_S, self._report_if_done, message)

    def _report_if_done(self, message: bytes) -> None:
        found = self._open.get(message)
        if found is not None and found.running:
            self._report_soon(message)
        elif found is not None:
            self._report(message)

    def _report(self, message: bytes) -> None:
        found = self._open.pop(message)
        found.span.set_attribute("taxirank.topics", found.topics)
        found.span.set_attribute("taxirank.subscribers", found.subscribers)
        found.span.end(found.ended_ns)


def _within(found: _EventSpan, pieces: Iterator[None], followers: int) -> Iterator[None]:
    found.running += 1
    found.topics += 1
    found.subscribers += followers
    try:
        yield from pieces
    finally:
        found.running -= 1
        found.ended_ns = time.time_ns()


def _kind(event: Event) -> str:
    return "trip" if isinstance(event, TripEvent | DriveEvent) else "standing"
