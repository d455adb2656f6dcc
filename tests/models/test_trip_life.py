"""The life of a trip, as a table."""

import pytest

from models.trip_life import (
    ACTIVE,
    DRIVING,
    ENDED,
    OPEN,
    TRANSITIONS,
    Guard,
    Party,
    TripStatus,
    WithdrawReason,
    cancel_codes,
    has_ended,
    is_open,
    keeps_reason,
    transitions,
    withdraw_reason,
)

LIFE = {
    ("REQUESTED", "STARTED", Party.ANY_DRIVER, True),
    ("STARTED", "IN_PROGRESS", Party.DRIVER, False),
    ("IN_PROGRESS", "COMPLETED", Party.DRIVER, False),
    ("STARTED", "REQUESTED", Party.DRIVER, True),
    ("REQUESTED", "CANCELLED", Party.RIDER, True),
    ("STARTED", "CANCELLED", Party.RIDER, False),
    ("REQUESTED", "EXPIRED", Party.SYSTEM, True),
    ("REQUESTED", "CANCELLED", Party.STAFF, True),
    ("STARTED", "CANCELLED", Party.STAFF, False),
    ("IN_PROGRESS", "CANCELLED", Party.STAFF, False),
    ("IN_PROGRESS", "CANCELLED", Party.RIDER, False),
    ("STARTED", "CANCELLED", Party.DRIVER, False),
    ("STARTED", "CANCELLED", Party.SYSTEM, False),
    ("IN_PROGRESS", "CANCELLED", Party.SYSTEM, False),
    ("STARTED", "COMPLETED", Party.STAFF, False),
    ("IN_PROGRESS", "COMPLETED", Party.STAFF, False),
}


def test_a_trip_has_exactly_the_designed_transitions() -> None:
    assert {(t.source.value, t.target.value, t.by, t.pool_hears) for t in TRANSITIONS} == LIFE
    assert len(TRANSITIONS) == len(LIFE)


def test_only_a_status_that_ends_a_trip_has_no_transition_out_of_it() -> None:
    sources = {t.source for t in TRANSITIONS}

    assert sources.isdisjoint(ENDED)
    assert sources | ENDED == set(TripStatus)


def test_the_pool_hears_exactly_when_a_trip_becomes_open_or_is_no_longer_open() -> None:
    for step in TRANSITIONS:
        assert step.pool_hears == (is_open(step.source) != is_open(step.target)), step


def test_the_transitions_to_a_status_are_those_of_the_given_parties() -> None:
    assert {t.source for t in transitions(TripStatus.CANCELLED, Party.RIDER)} == {
        TripStatus.REQUESTED,
        TripStatus.STARTED,
        TripStatus.IN_PROGRESS,
    }
    assert transitions(TripStatus.EXPIRED, Party.DRIVER, Party.ANY_DRIVER) == ()


def test_what_nobody_may_do_freely_is_guarded() -> None:
    assert {(t.source.value, t.target.value, t.by): t.guard for t in TRANSITIONS if t.guard is not None} == {
        ("REQUESTED", "STARTED", Party.ANY_DRIVER): Guard.IN_TIME,
        ("REQUESTED", "EXPIRED", Party.SYSTEM): Guard.OVERDUE,
        ("STARTED", "IN_PROGRESS", Party.DRIVER): Guard.PIN,
        ("STARTED", "CANCELLED", Party.DRIVER): Guard.WAITED,
        ("IN_PROGRESS", "CANCELLED", Party.RIDER): Guard.DRIVER_SILENT,
        ("STARTED", "CANCELLED", Party.SYSTEM): Guard.ABANDONED,
        ("IN_PROGRESS", "CANCELLED", Party.SYSTEM): Guard.ABANDONED,
    }


def test_each_party_gives_the_codes_that_are_its_own() -> None:
    free = {"CHANGED_PLANS", "WRONG_ADDRESS", "DRIVER_TOO_FAR", "SAFETY", "OTHER"}
    assert cancel_codes(TripStatus.CANCELLED, Party.RIDER) == free
    assert cancel_codes(TripStatus.CANCELLED, Party.DRIVER) == {"NO_SHOW"}
    assert cancel_codes(TripStatus.REQUESTED, Party.DRIVER) == free
    assert cancel_codes(TripStatus.CANCELLED, Party.STAFF) == {*free, "NO_SHOW", "STAFF"}
    for status in set(TripStatus) - {TripStatus.CANCELLED, TripStatus.REQUESTED}:
        assert not any(cancel_codes(status, party) for party in Party)


def test_a_status_is_open_under_way_or_ended() -> None:
    assert [status for status in TripStatus if is_open(status)] == [TripStatus.REQUESTED]
    assert {status for status in TripStatus if has_ended(status)} == ENDED
    assert set(TripStatus) - ENDED - DRIVING == OPEN == {TripStatus.REQUESTED}
    assert set(TripStatus) - ENDED == ACTIVE


def test_only_a_cancelled_trip_keeps_a_reason() -> None:
    assert [status for status in TripStatus if keeps_reason(status)] == [TripStatus.CANCELLED]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (TripStatus.STARTED, WithdrawReason.TAKEN),
        (TripStatus.IN_PROGRESS, WithdrawReason.TAKEN),
        (TripStatus.COMPLETED, WithdrawReason.TAKEN),
        (TripStatus.CANCELLED, WithdrawReason.CANCELLED),
        (TripStatus.EXPIRED, WithdrawReason.EXPIRED),
    ],
)
def test_an_offer_is_withdrawn_for_the_reason_of_its_trip(status: TripStatus, reason: WithdrawReason) -> None:
    assert withdraw_reason(status) is reason
