"""Which ids of the outbox need no look: in states that no test can bring about in a real PostgreSQL."""

from services.database.horizon import Horizon
from services.events.settled_notes import SettledNotes


def test_after_a_failover_everything_is_looked_at_again() -> None:
    settled = SettledNotes()
    for xact in (10, 20, 30, 40):
        settled.learn(Horizon(xact, xact, 1.0), first_id=None, last_id=100)
    assert settled.up_to == 100
    # The new primary has lost the last commits and gives ids again; the old answer says nothing about them.
    assert settled.learn(Horizon(35, 35, 2.0), first_id=None, last_id=110)
    assert settled.up_to == 0


def test_a_sequence_that_goes_back_begins_anew() -> None:
    settled = SettledNotes()
    for xact in (10, 20, 30, 40):
        settled.learn(Horizon(xact, xact, 1.0), first_id=None, last_id=100)
    assert settled.learn(Horizon(50, 50, 1.0), first_id=None, last_id=3)
    assert settled.up_to == 0


def test_nothing_is_settled_while_a_transaction_of_that_time_runs() -> None:
    settled = SettledNotes()
    for next_xact in (11, 20, 30, 40):
        assert not settled.learn(Horizon(10, next_xact, 1.0), first_id=None, last_id=next_xact)
    assert settled.up_to == 0
    settled.learn(Horizon(20, 50, 1.0), first_id=None, last_id=50)
    assert settled.up_to == 11
