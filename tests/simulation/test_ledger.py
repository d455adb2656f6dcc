"""The records of trips, and the summary made from them."""

from typing import Any

import pytest

from simulation.counts import Counts
from simulation.ledger import Ledger
from simulation.summary import Summary, summarise


class Clock:
    """A clock that is set by hand."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    return Ledger(clock)


def trip(
    trip_id: str, version: int, status: str, *, arrived_at: str | None = None, code: str | None = None
) -> dict[str, Any]:
    return {"id": trip_id, "version": version, "status": status, "arrivedAt": arrived_at, "cancelCode": code}


def request(ledger: Ledger, trip_id: str, *then: str) -> None:
    """A trip whose rider has received each of these versions."""
    ledger.requested(trip(trip_id, 1, "REQUESTED"), sent_s=ledger.clock())
    for version, status in enumerate(("REQUESTED", *then), 1):
        ledger.heard(trip(trip_id, version, status))


def summary(ledger: Ledger) -> Summary:
    return summarise(ledger, Counts(), seconds=60, http_requests=120)


def test_every_request_has_one_outcome(ledger: Ledger) -> None:
    request(ledger, "open")
    request(ledger, "cancelled", "CANCELLED")
    request(ledger, "expired", "EXPIRED")
    request(ledger, "on the way", "STARTED")
    request(ledger, "in the car", "STARTED", "IN_PROGRESS")
    request(ledger, "completed", "STARTED", "IN_PROGRESS", "COMPLETED")
    request(ledger, "called off", "STARTED", "CANCELLED")
    request(ledger, "given back", "STARTED", "REQUESTED")
    request(ledger, "given back, then expired", "STARTED", "REQUESTED", "EXPIRED")
    found = summary(ledger)
    assert (found.requests, found.accepted, found.cancelled, found.expired, found.open) == (9, 6, 1, 1, 1)
    assert (found.completed, found.under_way, found.called_off, found.given_back) == (1, 2, 1, 2)
    assert found.http_requests_per_s == 2
    assert found.holds


def test_a_trip_that_ended_after_its_acceptance_has_a_reason(ledger: Ledger) -> None:
    request(ledger, "called off", "STARTED", "CANCELLED")
    request(ledger, "left", "STARTED", "IN_PROGRESS", "CANCELLED")
    request(ledger, "not met", "STARTED")
    ledger.heard(trip("not met", 3, "CANCELLED", code="NO_SHOW"))
    found = summary(ledger)
    assert (found.accepted, found.called_off, found.left, found.no_shows) == (3, 1, 1, 1)


def test_the_time_to_accept_is_from_the_answer_to_the_riders_first_event(ledger: Ledger, clock: Clock) -> None:
    ledger.requested(trip("a", 1, "REQUESTED"), sent_s=99.0)
    clock.now_s = 101.5
    ledger.offered("a")
    ledger.heard(trip("a", 2, "STARTED"))
    clock.now_s = 200.0
    ledger.offered("a")
    ledger.heard(trip("a", 3, "REQUESTED"))
    ledger.heard(trip("a", 4, "STARTED"))
    found = summary(ledger)
    assert (found.time_to_accept.p50_ms, found.time_to_accept.p99_ms) == (1_500, 1_500)
    assert found.time_to_first_offer.p50_ms == 2_500


def test_an_acceptance_before_the_answer_counts_as_no_wait(ledger: Ledger, clock: Clock) -> None:
    ledger.heard(trip("a", 1, "REQUESTED"))
    ledger.heard(trip("a", 2, "STARTED"))
    clock.now_s += 1
    ledger.requested(trip("a", 1, "REQUESTED"), sent_s=99.0)
    found = summary(ledger)
    assert (found.requests, found.under_way, found.open) == (1, 1, 0)
    assert found.time_to_accept.p50_ms == 0


def test_without_an_acceptance_there_is_no_time(ledger: Ledger) -> None:
    request(ledger, "open")
    assert summary(ledger).time_to_accept.p99_ms is None


def test_two_drivers_who_were_told_that_they_have_a_trip_are_noticed(ledger: Ledger) -> None:
    request(ledger, "same version", "STARTED")
    ledger.accepted(trip("same version", 2, "STARTED"), driver="Dana")
    ledger.accepted(trip("same version", 2, "STARTED"), driver="Dirk")
    request(ledger, "next version", "STARTED", "STARTED")
    ledger.accepted(trip("next version", 2, "STARTED"), driver="Dana")
    ledger.accepted(trip("next version", 3, "STARTED"), driver="Dirk")
    found = summary(ledger)
    assert found.accepted_by_two == 2
    assert not found.holds


def test_a_driver_who_repeats_or_accepts_a_returned_trip_is_no_second_driver(ledger: Ledger) -> None:
    request(ledger, "a", "STARTED", "REQUESTED", "STARTED")
    ledger.accepted(trip("a", 2, "STARTED"), driver="Dana")
    ledger.accepted(trip("a", 2, "STARTED"), driver="Dana")
    ledger.accepted(trip("a", 4, "STARTED"), driver="Dirk")
    assert summary(ledger).holds


def test_an_acceptance_that_never_reached_the_rider_is_noticed(ledger: Ledger) -> None:
    request(ledger, "a")
    ledger.accepted(trip("a", 2, "STARTED"), driver="Dana")
    found = summary(ledger)
    assert (found.accepted, found.not_heard_by_rider) == (1, 1)
    assert not found.holds
    ledger.heard(trip("a", 3, "CANCELLED"))
    assert summary(ledger).holds


def test_an_older_state_after_a_newer_one_is_noticed_and_ignored(ledger: Ledger) -> None:
    request(ledger, "a", "STARTED", "IN_PROGRESS")
    ledger.heard(trip("a", 3, "IN_PROGRESS"))
    assert summary(ledger).holds
    ledger.heard(trip("a", 2, "STARTED"))
    found = summary(ledger)
    assert (found.older_after_newer, found.under_way) == (1, 1)
    assert ledger.trips["a"].status == "IN_PROGRESS"
    assert not found.holds


def test_trips_of_other_people_are_not_counted(ledger: Ledger) -> None:
    ledger.offered("theirs")
    ledger.accepted(trip("theirs", 2, "STARTED"), driver="Dana")
    found = summary(ledger)
    assert (found.requests, found.accepted) == (0, 0)
    assert found.holds


def test_an_arrival_that_never_reached_the_rider_is_noticed(ledger: Ledger) -> None:
    request(ledger, "a", "STARTED")
    ledger.arriving("a")
    ledger.arrived(trip("a", 3, "STARTED", arrived_at="12:00"))
    assert summary(ledger).arrivals_not_heard == 1
    ledger.heard(trip("a", 3, "STARTED", arrived_at="12:00"))
    assert summary(ledger).holds
    request(ledger, "b", "STARTED", "STARTED")
    ledger.arrived(trip("b", 3, "STARTED", arrived_at="12:00"))
    found = summary(ledger)
    assert (found.arrivals_not_heard, found.holds) == (1, False)


def test_a_rider_who_has_the_next_version_knows_of_the_arrival(ledger: Ledger) -> None:
    request(ledger, "a", "STARTED")
    ledger.arrived(trip("a", 3, "STARTED", arrived_at="12:00"))
    ledger.heard(trip("a", 4, "REQUESTED"))
    assert summary(ledger).holds


@pytest.mark.parametrize(("waited_s", "early"), [(298, 1), (299, 0), (301, 0)])
def test_a_no_show_before_its_time_is_noticed(ledger: Ledger, clock: Clock, waited_s: int, early: int) -> None:
    request(ledger, "a", "STARTED")
    ledger.arriving("a")
    ledger.too_early("a", sent_s=clock.now_s, retry_after_s=300)
    found = summary(ledger)
    assert (found.waiting_for_rider, found.waiting_to_leave, found.longest_wait_s) == (1, 0, 300)
    # The server has rounded up.
    clock.now_s += waited_s
    ledger.changed(trip("a", 3, "CANCELLED", code="NO_SHOW"))
    ledger.heard(trip("a", 3, "CANCELLED", code="NO_SHOW"))
    found = summary(ledger)
    assert (found.ended_too_early, found.waiting_for_rider, found.holds) == (early, 0, not early)


def test_a_no_show_without_the_wait_that_others_were_told_is_noticed(ledger: Ledger, clock: Clock) -> None:
    request(ledger, "a", "STARTED")
    ledger.too_early("a", sent_s=clock.now_s, retry_after_s=300)
    request(ledger, "b", "STARTED")
    ledger.arriving("b")
    clock.now_s += 10
    ledger.changed(trip("b", 3, "CANCELLED", code="NO_SHOW"))
    assert summary(ledger).ended_too_early == 1


def test_a_rider_who_leaves_the_car_before_the_time_is_noticed(ledger: Ledger, clock: Clock) -> None:
    request(ledger, "a", "STARTED", "IN_PROGRESS")
    ledger.too_early("a", sent_s=clock.now_s, retry_after_s=900)
    assert summary(ledger).waiting_to_leave == 1
    clock.now_s += 600
    ledger.changed(trip("a", 4, "CANCELLED", code="OTHER"))
    assert summary(ledger).ended_too_early == 1


def test_the_next_driver_of_a_returned_trip_waits_anew(ledger: Ledger, clock: Clock) -> None:
    request(ledger, "a", "STARTED")
    ledger.arriving("a")
    ledger.too_early("a", sent_s=clock.now_s, retry_after_s=300)
    clock.now_s += 400
    ledger.accepted(trip("a", 5, "STARTED"), driver="Dirk")
    ledger.arriving("a")
    ledger.changed(trip("a", 6, "CANCELLED", code="NO_SHOW"))
    assert summary(ledger).ended_too_early == 1
