"""Counters of this process since its start."""

from dataclasses import dataclass, field

from services.runtime.durations import LONG_BOUNDS_S, Durations


@dataclass(slots=True)
class Counters:
    """Counters that ``/metrics`` reads: plain numbers, because each delivery increments them.

    ``events``: taken from the bus, once a topic. ``executions``: GraphQL executions of an event; subscribers with
    equal operations share one. ``deliveries``: messages given to a connection. ``conflations``: messages replaced
    by a newer one or by a snapshot, because the client was slow. ``resyncs``: subscribers that got a new snapshot.
    ``reads``: statements that read state for subscribers. ``left_over_photos``: unused photos that the periodic
    job removed. ``removed_trips``: old trips that the periodic job removed. ``pushes_sent``, ``pushes_dropped``
    and ``pushes_failed``: push messages that were accepted, that nobody needed any more, and attempts that failed.
    ``restarted_tasks``: background tasks
    that ended unexpectedly; normally 0. ``letters_sent``, ``letters_deferred`` and ``letters_given_up``: attempts
    to send e-mails, by their outcome. ``webhooks_delivered`` and ``webhooks_failed``: attempts to send webhooks;
    ``webhooks_given_up``: those that became dead letters. ``routing_failures``: questions that the routing engine
    did not answer. ``refused_requests`` (also operations) and ``refused_sockets`` (also subscriptions): what was
    refused because of overload. ``replica_reads`` and ``replica_fallbacks``: reads for replicas of the
    database that one of them answered, or the primary.

    ``bus_lag``: how long a message of this process to itself took through the broker, measured once a second.
    ``delivery``: how long the delivery of a change took on a topic, to all of its subscribers here.
    ``time_to_accept``: from a request to its first acceptance, if a driver accepted it here. ``operations``: how
    long queries and mutations took, by type and root field.
    """

    events: int = 0
    executions: int = 0
    deliveries: int = 0
    conflations: int = 0
    resyncs: int = 0
    reads: int = 0
    left_over_photos: int = 0
    removed_trips: int = 0
    pushes_sent: int = 0
    pushes_dropped: int = 0
    pushes_failed: int = 0
    routing_failures: int = 0
    restarted_tasks: int = 0
    letters_sent: int = 0
    letters_deferred: int = 0
    letters_given_up: int = 0
    webhooks_delivered: int = 0
    webhooks_failed: int = 0
    webhooks_given_up: int = 0
    refused_requests: int = 0
    refused_sockets: int = 0
    replica_reads: int = 0
    replica_fallbacks: int = 0
    bus_lag: Durations = field(default_factory=Durations)
    delivery: Durations = field(default_factory=Durations)
    time_to_accept: Durations = field(default_factory=lambda: Durations(LONG_BOUNDS_S))
    operations: dict[tuple[str, str], Durations] = field(default_factory=dict)
