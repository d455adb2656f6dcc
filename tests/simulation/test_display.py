from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from simulation import display
from simulation.counts import Counts
from simulation.ledger import Ledger
from simulation.options import Options
from simulation.progress import Phase, Progress
from simulation.summary import Summary, summarise

OPTIONS = Options("http://localhost:8000")


@pytest.fixture
def summary() -> Summary:
    ledger = Ledger(lambda: 1.25)
    nothing: dict[str, Any] = {"arrivedAt": None, "cancelCode": None}
    ledger.requested({"id": "a", "version": 1, "status": "REQUESTED"}, sent_s=0.0)
    ledger.heard({"id": "a", "version": 2, "status": "STARTED", **nothing})
    ledger.too_early("a", sent_s=1.0, retry_after_s=300)
    counts = Counts(offers=1_234, positions=17)
    counts.errors["ReadTimeout"] = 3
    return summarise(ledger, counts, seconds=30, http_requests=300)


@pytest.fixture
def shown() -> Callable[[object], str]:
    """The text on a terminal of 100 columns."""

    def show(what: object) -> str:
        text = StringIO()
        Console(width=100, file=text).print(what)
        return text.getvalue()

    return show


def test_the_progress_shows_how_many_people_have_signed_up(
    summary: Summary, shown: Callable[[object], str]
) -> None:
    progress = Progress(Phase.SIGNING_UP, 12, 70, 0, 60.0, summary)
    assert "12 of 70" in display.line(progress)
    assert "12 of 70" in shown(display.board(progress, OPTIONS))


def test_the_progress_shows_the_events_of_the_simulation(summary: Summary, shown: Callable[[object], str]) -> None:
    progress = Progress(Phase.DRIVING, 70, 70, 3, 29.6, summary)
    text = display.line(progress)
    assert "30 s left: 1 requests (0 open, 1 under way, 0 completed" in text
    assert "1 waiting up to 300 s as the server says, 3 drivers not approved" in text
    assert "3 errors" in text
    board = shown(display.board(progress, OPTIONS))
    for part in ("Driving, 30 s left", "under way", "1,234", "17", "accepted in, p99"):
        assert part in board


def test_drivers_who_wait_for_approval_are_shown_with_what_to_do(
    summary: Summary, shown: Callable[[object], str]
) -> None:
    progress = Progress(Phase.WAITING, 70, 70, 50, 60.0, summary)
    hint = "waiting for approval: staff must approve the 50 drivers, in the admin at /admin"
    assert display.line(progress) == hint
    assert hint in shown(display.board(progress, OPTIONS))


def test_the_summary_names_failures_and_checked_guarantees(
    summary: Summary, shown: Callable[[object], str]
) -> None:
    text = shown(display.table(summary))
    assert "ReadTimeout 3" in text
    assert text.count("as it must be") == 8
    assert "1 still waiting: the server says up to 300 s" in text
    assert "10.0 a second" in text


def test_a_server_that_breaks_a_guarantee_is_reported(shown: Callable[[object], str]) -> None:
    ledger = Ledger()
    for driver in ("Dana", "Dirk"):
        ledger.accepted({"id": "a", "version": 2, "status": "STARTED", "cancelCode": None}, driver=driver)
    assert "THE SERVER IS WRONG" in shown(display.table(summarise(ledger, Counts(), seconds=1, http_requests=1)))
