"""What was done since the start, counted."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Plain numbers, since adding to them happens on every delivery; ``/metrics`` reads them.

    ``events``: taken from the bus, once a topic. ``executions``: of a subscription's message, shared by all who
    asked alike. ``deliveries``: messages given to a connection. ``conflations``: messages that gave way to a
    newer one or to a snapshot, since the client was slow. ``resyncs``: subscribers brought up to date by a new
    snapshot. ``reads``: statements that read state for subscribers. ``left_over_photos``: removed from the store
    later than their account's change.
    """

    events: int = 0
    executions: int = 0
    deliveries: int = 0
    conflations: int = 0
    resyncs: int = 0
    reads: int = 0
    left_over_photos: int = 0
