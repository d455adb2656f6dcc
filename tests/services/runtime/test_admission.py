"""Who begins, who waits and who is refused, on a clock that the test moves."""

import asyncio
import contextvars
import heapq
import itertools
from collections.abc import Callable, Hashable

import pytest
from structlog.testing import capture_logs

from services.runtime import admission as module
from services.runtime.admission import Admission
from services.runtime.counters import Counters
from services.runtime.tickets import Ticket
from tests.support.waiting import PATIENCE_S


class Process:
    """A process with a clock and timers of its own."""

    def __init__(self, limit: int = 1000) -> None:
        self.now_s = 0.0
        self.worked_s = 0.0
        self.room = 1_000_000
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.counters = Counters()
        self.began: list[object] = []
        self.refused: list[object] = []
        self.admission = Admission(
            limit,
            self.counters,
            database_room=lambda: self.room,
            clock=lambda: self.now_s,
            processor_s=lambda: self.worked_s,
            call_later=self._call_later,
        )

    def _call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self.now_s + delay_s, next(self._numbers), call))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and run the timers that are due."""
        until_s = self.now_s + seconds
        while self._timers and self._timers[0][0] <= until_s:
            due_s, _, call = heapq.heappop(self._timers)
            self.now_s = max(self.now_s, due_s)
            call()
        self.now_s = until_s

    @property
    def timers(self) -> int:
        """How many timers run."""
        return len(self._timers)

    def work(self, seconds: float) -> None:
        """Keep the loop busy for so long, while no timer runs."""
        self.now_s += seconds
        self.worked_s += seconds

    def enter(
        self, name: object, client: Hashable = "one", *, is_subscription: bool = False, needs_database: bool = True
    ) -> Ticket:
        """Something comes."""
        return enter(
            self.admission,
            lambda _: self.began.append(name),
            lambda _: self.refused.append(name),
            client,
            is_subscription=is_subscription,
            needs_database=needs_database,
        )


def enter(
    admission: Admission,
    start: Callable[[Ticket], object],
    refuse: Callable[[Ticket], object],
    client: Hashable = "one",
    *,
    is_subscription: bool = False,
    needs_database: bool = True,
) -> Ticket:
    """Begin at once, or wait."""
    ticket = admission.begin(needs_database=needs_database)
    if ticket is None:
        return admission.wait(client, start, refuse, is_subscription=is_subscription)
    start(ticket)
    return ticket


@pytest.fixture
def no_line_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that stands is an overload, however few wait in it."""
    monkeypatch.setattr(module, "SHORT", 0)


def full(limit: int = 2) -> tuple[Process, list[Ticket]]:
    """A process in which all places are taken."""
    process = Process(limit)
    return process, [process.enter(f"first {number}") for number in range(limit)]


def test_at_the_limit_the_next_one_waits_until_one_leaves() -> None:
    process, (first, _) = full()
    process.enter("next")
    assert (process.began, process.admission.waiting) == (["first 0", "first 1"], 1)
    first.leave()
    first.leave()
    process.enter("last")
    assert process.began[2:] == ["next"]
    assert (process.admission.running, process.admission.waiting) == (2, 1)


@pytest.mark.usefixtures("no_line_is_short")
def test_who_has_waited_for_too_long_is_refused_and_never_begins() -> None:
    process, tickets = full()
    process.enter("next")
    process.pass_time(module.BURST_S + module.TICK_S * 2)
    for ticket in tickets:
        ticket.leave()
    assert (process.refused, process.began[2:]) == (["next"], [])
    assert (process.counters.refused_requests, process.admission.waiting) == (1, 0)
    process.enter("later")
    assert process.began[2:] == ["later"]


@pytest.mark.usefixtures("no_line_is_short")
def test_an_overload_is_one_line_of_the_log_at_its_beginning_and_one_at_its_end() -> None:
    process, tickets = full()
    with capture_logs() as logs:
        for _ in range(4):
            for _ in range(5):
                process.enter("next")
            process.pass_time(0.9)
            assert process.admission.is_overloaded
        for ticket in tickets:
            ticket.leave()
        process.pass_time(2.0)
    assert not process.admission.is_overloaded
    begin, end = logs
    assert (begin["event"], begin["running"]) == ("overloaded: requests are refused", 2)
    assert (end["event"], end["refused"]) == ("no longer overloaded", 20)
    assert end["lasted_s"] == pytest.approx(3.3, abs=0.1)
    with capture_logs() as logs:
        full()[0].pass_time(60)
    assert logs == []


@pytest.mark.usefixtures("no_line_is_short")
def test_each_overload_has_figures_of_its_own() -> None:
    process, _ = full(5)
    process.pass_time(100)
    for number in (3, 2):
        with capture_logs() as logs:
            for _ in range(number):
                process.enter("next")
            process.pass_time(60)
        assert (logs[-1]["refused"], logs[-1]["lasted_s"]) == (number, 0.0)


@pytest.mark.usefixtures("no_line_is_short")
def test_in_an_overload_patience_is_short_and_the_newest_is_served_first_until_the_line_is_empty() -> None:
    process, tickets = full(5)
    process.enter("burst")
    process.pass_time(module.BURST_S * 0.9)
    process.enter("later")
    process.pass_time(module.BURST_S * 0.2)
    # Now it is an overload, and only the later one is not too old.
    assert (process.refused, process.began[5:]) == (["burst"], [])
    process.enter("newest")
    tickets[0].leave()
    assert process.began[5:] == ["newest"]
    process.pass_time(module.PATIENCE_S)
    assert process.refused == ["burst", "later"]
    # The line was empty: it is a new one, in which nobody is refused at first, and the oldest is served first.
    process.enter("next")
    process.enter("last")
    process.pass_time(module.PATIENCE_S * 2)
    tickets[1].leave()
    assert (process.began[6:], len(process.refused)) == (["next"], 2)


def test_a_long_line_that_moves_is_no_overload() -> None:
    process, tickets, length = Process(), list[Ticket](), module.SHORT * 3
    process.room = 0

    def come() -> None:
        enter(process.admission, tickets.append, lambda _: process.refused.append("refused"))

    for _ in range(length):
        come()
    for _ in range(500):
        process.room = 16
        process.pass_time(module.TICK_S)
        process.room = 0
        served = tickets.copy()
        tickets.clear()
        for ticket in served:
            # Whoever was served comes back at once, and waits for less than BURST_S.
            ticket.leave()
            come()
    assert (process.refused, process.admission.waiting) == ([], length)


def test_a_short_line_is_no_overload_however_long_it_stands() -> None:
    process = Process()
    process.room = 0
    for number in range(module.SHORT):
        process.enter(number)
    process.pass_time(60)
    assert (process.refused, process.admission.waiting) == ([], module.SHORT)
    process.enter("one more")
    process.pass_time(module.TICK_S * 2)
    assert process.refused == list(range(module.SHORT))
    process.room = 1
    process.pass_time(module.TICK_S)
    assert process.began == ["one more"]


def served(process: Process, *, rate: float, cost_s: float, seconds: float) -> list[float]:
    """Send at a rate to a process that works on one request after the other; how long each accepted one took."""
    took_s, waiting = list[float](), list[tuple[float, Ticket]]()
    sent = worked = 0
    while sent < seconds * rate - 0.5 or waiting or process.admission.waiting:
        while sent < min(process.now_s, seconds) * rate:
            came_s = sent / rate
            enter(
                process.admission,
                lambda ticket, came_s=came_s: waiting.append((came_s, ticket)),
                lambda _: process.refused.append("refused"),
            )
            sent += 1
        if waiting:
            process.work(cost_s)
            came_s, ticket = waiting.pop(0)
            took_s.append(process.now_s - came_s)
            ticket.leave()
            # Each iteration of the loop runs a piece of each, and the timers come between.
            worked += 1
        if worked >= len(waiting):
            worked = 0
            process.pass_time(0.0)
        if not waiting:
            process.pass_time(0.001)
    return took_s


def test_at_three_times_the_rate_that_it_can_serve_those_who_are_accepted_are_served_within_a_second() -> None:
    process = Process()
    took_s = sorted(served(process, rate=1500, cost_s=0.002, seconds=15))
    # Nothing is lost of what it can do.
    assert len(took_s) > 15 * 500 * 0.98
    assert took_s[len(took_s) // 2] < 0.1
    assert took_s[len(took_s) * 99 // 100] < 0.8
    assert process.now_s < 15 + 1
    assert len(took_s) + len(process.refused) == 15 * 1500
    assert process.admission.running == process.admission.waiting == 0


@pytest.mark.parametrize("cost_s", [0.001, 0.003, 0.01])
def test_three_hundred_at_once_are_all_served(cost_s: float) -> None:
    process = Process()
    took_s = served(process, rate=300_000, cost_s=cost_s, seconds=0.001)
    assert (len(took_s), process.refused) == (300, [])


def test_just_below_what_it_can_serve_nobody_is_refused() -> None:
    process = Process()
    took_s = served(process, rate=480, cost_s=0.002, seconds=10)
    assert (len(took_s), process.refused) == (4800, [])


def test_while_the_loop_is_late_fewer_run_and_while_it_is_not_as_many_as_come() -> None:
    process = Process(500)
    tickets = [process.enter(number) for number in range(module.AT_FIRST)]
    for number in range(600):
        process.enter(number + module.AT_FIRST)
    for _ in range(10):
        process.work(module.TICK_S + module.LATE_S * 1.1)
        process.pass_time(0.0)
    assert process.admission.ceiling == module.LEAST
    # Then all wait for another system, and the loop has nothing to do.
    for ticket in tickets:
        ticket.leave()
    process.pass_time(1.0)
    assert process.admission.running == 500


def test_each_late_look_takes_a_quarter_of_those_who_run_and_none_of_what_was_possible_is_left() -> None:
    process = Process(500)
    process.room = 0
    tickets = [process.enter(number, needs_database=False) for number in range(module.AT_FIRST // 2)]
    process.enter("waits")
    process.work(module.TICK_S + module.LATE_S * 0.9)
    process.pass_time(0.0)
    assert process.admission.ceiling == module.AT_FIRST
    process.work(module.TICK_S + module.LATE_S * 1.1)
    process.pass_time(0.0)
    assert process.admission.ceiling == len(tickets) * 3 // 4


@pytest.mark.parametrize("limit", [1, 2, module.LEAST + 1])
def test_the_limit_holds_also_if_it_is_small(limit: int) -> None:
    process, tickets = full(limit)
    process.enter("next")
    process.work(module.TICK_S + module.LATE_S * 1.1)
    process.pass_time(0.0)
    assert process.admission.ceiling <= limit
    for ticket in tickets:
        ticket.leave()
    process.pass_time(module.TICK_S)
    for number in range(limit + 1):
        process.enter(number)
    process.pass_time(module.TICK_S * 3)
    assert (process.admission.running, process.admission.ceiling) == (limit, limit)


def test_while_all_wait_for_the_database_or_places_are_free_no_more_are_tried() -> None:
    process = Process()
    for number in range(module.AT_FIRST - 1):
        process.enter(number)
    process.room = 0
    process.enter("waits")
    process.pass_time(module.TICK_S * 3)
    assert process.admission.ceiling == module.AT_FIRST
    process.enter("takes the last place", needs_database=False)
    process.pass_time(module.TICK_S * 3)
    assert (process.admission.ceiling, process.admission.is_full) == (module.AT_FIRST, True)
    process.room = 1
    process.pass_time(module.TICK_S)
    assert process.admission.ceiling == module.AT_FIRST + 1 + module.AT_FIRST // 16
    # A place is free, and one connection for each look.
    process.room = 0
    process.enter("waits, too")
    before = process.admission.ceiling
    process.room = 1
    process.pass_time(module.TICK_S)
    assert process.admission.ceiling == before


def test_what_was_possible_once_is_forgotten() -> None:
    process = Process()
    tickets = [process.enter(number) for number in range(400)]
    process.pass_time(1.0)
    assert process.admission.ceiling >= process.admission.running == 400
    tickets.pop().leave()
    assert process.admission.ceiling == 399
    for ticket in tickets:
        ticket.leave()
    assert process.admission.ceiling == module.AT_FIRST


def test_nobody_passes_those_who_wait() -> None:
    process = Process()
    process.room = 0
    assert process.admission.is_full
    process.enter("first")
    process.room = 1
    assert process.admission.is_full
    process.enter("second")
    assert process.began == []
    process.pass_time(module.TICK_S)
    assert process.began == ["first"]
    process, (place,) = full(1)
    assert process.admission.is_full
    place.leave()
    assert not process.admission.is_full


def test_each_place_that_is_free_lets_one_begin_who_will_need_the_database() -> None:
    process, (first, second, *_) = full(5)
    for number in range(4):
        process.enter(number)
    process.room = 0
    first.leave()
    assert process.began[5:] == []
    process.room = 3
    second.leave()
    assert process.began[5:] == [0]


def test_a_look_follows_another_only_while_somebody_waits() -> None:
    process, tickets = full(2)
    process.pass_time(1.0)
    assert process.timers == 0
    again: list[Ticket] = []

    def begin(_: Ticket) -> None:
        # It makes another one wait.
        again.append(process.enter("again"))

    enter(process.admission, begin, lambda _: None)
    process.pass_time(module.TICK_S * 4.5)
    assert process.timers == 1
    process.room = 0
    tickets[0].leave()
    process.room = 1
    process.pass_time(module.TICK_S)
    assert (len(again), process.timers) == (1, 1)
    tickets[1].leave()
    assert process.began[2:] == ["again"]
    process.pass_time(1.0)
    assert process.timers == 0
    # How long the two have waited.
    assert process.admission.waits.buckets()[-1] == ("+Inf", 2)
    assert process.admission.waits.sum_s == pytest.approx(module.TICK_S * 5.5, abs=module.TICK_S)


def test_nothing_begins_while_many_wait_for_the_database() -> None:
    process = Process()
    process.room = 0
    for number in range(5):
        process.enter(number)
    process.pass_time(0.102)
    assert process.began == []
    process.room = 2
    process.pass_time(module.TICK_S)
    assert process.began == [0, 1]
    process.room = 1_000_000
    process.pass_time(module.TICK_S)
    assert process.began == [0, 1, 2, 3, 4]


def test_what_needs_no_database_passes_those_who_wait_for_it_but_not_those_who_wait_for_the_processor() -> None:
    process = Process(3)
    process.room = 0
    process.enter("waits")
    for number in range(4):
        process.enter(number, needs_database=False)
    assert (process.began, process.admission.waiting) == ([0, 1, 2], 2)


def test_clients_have_turns_so_that_a_flood_of_one_does_not_delay_the_others() -> None:
    process, tickets = full(50)
    for number in range(100):
        process.enter(("flood", number), "flooder")
    process.enter("honest", "honest")
    tickets[0].leave()
    tickets[1].leave()
    assert process.began[50:] == [("flood", 0), "honest"]


def test_if_the_line_is_full_whoever_has_most_in_it_loses_its_newest() -> None:
    process, _ = full(3)
    for number in range(3):
        process.enter(("flood", number), "flooder")
    process.enter("honest", "honest")
    assert process.refused == [("flood", 2)]
    process.enter("more", "honest")
    process.enter(("flood", 3), "flooder")
    assert process.refused == [("flood", 2), "more", ("flood", 3)]


@pytest.mark.usefixtures("no_line_is_short")
def test_subscriptions_wait_for_longer_and_have_turns_with_requests() -> None:
    process, tickets = full(4)
    for number in range(3):
        process.enter(("subscription", number), is_subscription=True)
        process.enter(("request", number))
    tickets[0].leave()
    tickets[1].leave()
    assert {name[0] for name in process.began[4:]} == {"subscription", "request"}  # pyright: ignore[reportIndexIssue]
    process.pass_time(module.BURST_S * 2)
    assert process.refused == [("request", 1), ("request", 2)]
    process.pass_time(module.SOCKET_PATIENCE_S)
    assert process.refused[2:] == [("subscription", 1), ("subscription", 2)]
    assert (process.counters.refused_requests, process.counters.refused_sockets) == (2, 2)


def test_more_subscriptions_than_requests_may_wait_and_a_short_line_of_them_stands_for_long() -> None:
    process, (place, _) = full(2)
    for number in range(4):
        process.enter(number, is_subscription=True)
    process.pass_time(module.SOCKET_PATIENCE_S * 2)
    assert (process.refused, process.admission.waiting) == ([], 4)
    place.leave()
    assert process.began[2:] == [0]


def test_new_sockets_are_refused_while_many_wait_and_have_waited_for_long() -> None:
    process = Process()
    admission = process.admission
    # A crowd that comes together, on however slow a machine.
    assert not any(admission.refuses_socket(waiting) for waiting in range(5000))
    admission.note_socket(module.SOCKET_PATIENCE_S * 0.9)
    assert not admission.refuses_socket(module.SHORT + 1)
    admission.note_socket(module.SOCKET_PATIENCE_S * 1.1)
    assert admission.refuses_socket(module.SHORT + 1)
    assert not admission.refuses_socket(module.SHORT)
    admission.note_socket(0.0)
    assert not admission.refuses_socket(module.SHORT + 1)
    assert admission.refuses_socket(module.MOST_SOCKETS)
    assert (process.counters.refused_sockets, admission.is_overloaded) == (2, True)


def test_who_has_left_the_line_neither_begins_nor_is_refused() -> None:
    process, (first, second) = full()
    gone = process.enter("gone")
    process.enter("next")
    gone.leave()
    assert process.admission.waiting == 1
    first.leave()
    second.leave()
    assert (process.began[2:], process.refused) == (["next"], [])
    assert process.admission.running == 1


def test_who_waits_for_its_client_takes_no_place() -> None:
    process, (first, _) = full()
    process.enter("next")
    first.pause()
    assert process.began[2:] == ["next"]
    first.resume()
    assert process.admission.running == 3
    first.leave()
    first.pause()
    first.resume()
    assert process.admission.running == 2


def test_a_request_that_waited_begins_with_its_own_context_variables() -> None:
    process, (first, _) = full()
    request_id = contextvars.ContextVar("request_id", default="none")
    seen = list[str]()

    def come() -> None:
        request_id.set("its own")
        enter(process.admission, lambda _: seen.append(request_id.get()), lambda _: None)

    contextvars.copy_context().run(come)
    request_id.set("another's")
    first.leave()
    assert seen == ["its own"]


def test_probes_pass_all_others_but_not_without_limit() -> None:
    process, _ = full()
    assert [process.admission.enter_probe() for _ in range(module.MOST_PROBES)] == [True] * module.MOST_PROBES
    assert not process.admission.enter_probe()
    process.admission.leave_probe()
    assert process.admission.enter_probe()


async def test_the_timers_of_a_real_loop_turn_away_whoever_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORT", 0)
    monkeypatch.setattr(module, "BURST_S", 0.0)
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    admission, refused = Admission(1, Counters()), asyncio.Event()
    enter(admission, lambda _: None, lambda _: None)
    enter(admission, lambda _: None, lambda _: refused.set())
    async with asyncio.timeout(PATIENCE_S):
        await refused.wait()


def test_in_an_overload_with_a_long_line_whoever_has_a_share_of_it_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CROWD", 4)
    process = Process(limit=8)
    admission, counters, process.room = process.admission, process.counters, 0
    flood = [process.enter("flood", "flood") for _ in range(8)]
    # It is no overload yet.
    assert not admission.is_crowded
    assert not admission.refuses_at_once("flood")
    process.enter("flood", "flood")
    assert admission.is_crowded
    assert counters.refused_requests == 1
    # With twice as many as are a crowd, everybody is refused.
    assert admission.refuses_at_once("newcomer")
    assert counters.refused_requests == 2
    for ticket in flood[:5]:
        ticket.cancel()
    # Too few wait.
    assert not admission.is_crowded
    assert not admission.refuses_at_once("flood")
    process.enter("late", "late")
    assert [client for client in ("flood", "late", "newcomer") if admission.refuses_at_once(client)] == ["flood"]
    assert counters.refused_requests == 3
    # Each of these refusals prolongs the overload.
    process.pass_time(module.CALM_S * 0.75)
    admission.refuses_at_once("flood")
    process.pass_time(module.CALM_S * 0.75)
    assert admission.is_overloaded
