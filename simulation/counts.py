"""The counters of one simulation."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Counters of one simulation.

    ``cancel_codes``: with which code riders cancelled and drivers gave back, and how often. ``answers``: expected
    error codes, such as TRIP_TAKEN, and how often each came. ``errors``: unexpected failures, and how often each
    kind came.
    """

    http_requests: int = 0
    rate_limited: int = 0
    reconnects: int = 0
    offers: int = 0
    offers_in_snapshots: int = 0
    positions: int = 0
    positions_seen: int = 0
    requests_skipped: int = 0
    estimates: int = 0
    arrivals: int = 0
    breaks: int = 0
    breaks_on_trips: int = 0
    dead_phones: int = 0
    ratings: int = 0
    withdrawn: Counter[str] = field(default_factory=Counter[str])
    cancel_codes: Counter[str] = field(default_factory=Counter[str])
    answers: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])
