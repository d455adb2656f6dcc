"""The figures of a simulation."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from simulation.counts import Counts
from simulation.ledger import UNDER_WAY, Ledger, Record


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, in milliseconds; None when it never happened."""

    p50_ms: float | None
    p99_ms: float | None

    @classmethod
    def of(cls, durations_s: list[float]) -> "Times":
        """The percentiles of durations in seconds."""
        if not durations_s:
            return cls(None, None)
        ordered = sorted(durations_s)
        return cls(_percentile_ms(ordered, 50), _percentile_ms(ordered, 99))


def _percentile_ms(ordered_s: list[float], percent: int) -> float:
    """The nearest-rank percentile, in milliseconds."""
    rank = -(-len(ordered_s) * percent // 100)
    return round(ordered_s[max(0, rank - 1)] * 1000, 1)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures, so far or at the end.

    Each request is ``accepted`` (at least once), or else ``cancelled``, ``expired`` or ``open``. Each accepted
    request is ``completed``, ``under_way``, ``called_off`` by its rider, ended as a ``no_shows``, ``left`` by a
    rider whose driver was silent, or ``given_back`` and not accepted again. ``waiting_for_rider`` drivers and
    ``waiting_to_leave`` riders still had to wait at the end, up to ``longest_wait_s``. ``offers`` were sent as
    events, ``offers_in_snapshots`` in snapshots. The last eight should be 0.
    """

    seconds: float
    requests: int
    accepted: int
    cancelled: int
    expired: int
    open: int
    completed: int
    under_way: int
    called_off: int
    no_shows: int
    left: int
    given_back: int
    waiting_for_rider: int
    waiting_to_leave: int
    longest_wait_s: int
    requests_skipped: int
    cancel_codes: Mapping[str, int]
    estimates: int
    arrivals: int
    breaks: int
    breaks_on_trips: int
    dead_phones: int
    ratings: int
    time_to_accept: Times
    time_to_first_offer: Times
    offers: int
    offers_in_snapshots: int
    withdrawn: Mapping[str, int]
    positions: int
    positions_seen: int
    http_requests: int
    http_requests_per_s: float
    rate_limited: int
    reconnects: int
    answers: Mapping[str, int]
    errors: Mapping[str, int]
    accepted_by_two: int
    not_heard_by_rider: int
    older_after_newer: int
    paused_wrongly: int
    arrivals_not_heard: int
    ended_too_early: int
    wrong_pins: int
    wrong_ratings: int

    @property
    def holds(self) -> bool:
        """Whether the simulation found no fault of the server."""
        return not (
            self.accepted_by_two
            or self.not_heard_by_rider
            or self.older_after_newer
            or self.paused_wrongly
            or self.arrivals_not_heard
            or self.ended_too_early
            or self.wrong_pins
            or self.wrong_ratings
        )

    def as_json(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self)


def summarise(
    ledger: Ledger, counts: Counts, *, wrong_ratings: int = 0, seconds: float, http_requests: int
) -> Summary:
    """Compute the summary. ``seconds``: the duration; ``http_requests``: how many requests were sent over HTTP."""
    ours = list(ledger.ours)
    fates = Counter(_fate(record) for record in ours)
    accepted = sum(record.is_accepted for record in ours)
    waiting = [record for record in ours if record.status in UNDER_WAY and record.wait_s is not None]
    return Summary(
        seconds=round(seconds, 1),
        requests=len(ours),
        accepted=accepted,
        cancelled=fates["cancelled"],
        expired=fates["expired"],
        open=fates["open"],
        completed=fates["completed"],
        under_way=fates["under way"],
        called_off=fates["called off"],
        no_shows=fates["no-show"],
        left=fates["left"],
        given_back=fates["given back"],
        waiting_for_rider=sum(not record.was_in_car for record in waiting),
        waiting_to_leave=sum(record.was_in_car for record in waiting),
        longest_wait_s=max((record.wait_s or 0 for record in waiting), default=0),
        requests_skipped=counts.requests_skipped,
        cancel_codes=dict(counts.cancel_codes),
        estimates=counts.estimates,
        arrivals=counts.arrivals,
        breaks=counts.breaks,
        breaks_on_trips=counts.breaks_on_trips,
        dead_phones=counts.dead_phones,
        ratings=counts.ratings,
        time_to_accept=Times.of(
            [
                # The driver may have accepted before the rider had the answer.
                max(0.0, record.first_accepted_s - record.answered_s)
                for record in ours
                if record.first_accepted_s is not None and record.answered_s is not None
            ]
        ),
        time_to_first_offer=Times.of(
            [
                record.first_offered_s - record.sent_s
                for record in ours
                if record.first_offered_s is not None and record.sent_s is not None
            ]
        ),
        offers=counts.offers,
        offers_in_snapshots=counts.offers_in_snapshots,
        withdrawn=dict(counts.withdrawn),
        positions=counts.positions,
        positions_seen=counts.positions_seen,
        http_requests=http_requests,
        http_requests_per_s=round(http_requests / seconds, 1) if seconds else 0.0,
        rate_limited=counts.rate_limited,
        reconnects=counts.reconnects,
        answers=dict(counts.answers),
        errors=dict(counts.errors),
        accepted_by_two=sum(record.was_accepted_twice for record in ledger.trips.values()),
        not_heard_by_rider=sum(max(record.accepted_by, default=0) > record.version for record in ours),
        older_after_newer=ledger.older_after_newer,
        paused_wrongly=ledger.paused_wrongly,
        arrivals_not_heard=sum(record.has_unknown_arrival for record in ours),
        ended_too_early=ledger.ended_too_early,
        wrong_pins=ledger.wrong_pins,
        wrong_ratings=wrong_ratings,
    )


def _fate(record: Record) -> str:
    """The outcome of a trip."""
    if record.status in UNDER_WAY:
        return "under way"
    if record.status == "COMPLETED":
        return "completed"
    if record.is_accepted:
        if record.status != "CANCELLED":
            return "given back"
        if record.cancel_code == "NO_SHOW":
            return "no-show"
        return "left" if record.was_in_car else "called off"
    return {"CANCELLED": "cancelled", "EXPIRED": "expired"}.get(record.status or "", "open")
