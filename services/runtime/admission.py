"""Decides what a process takes on: which requests begin, which ones wait for a moment, and which are refused."""

import asyncio
from collections.abc import Callable, Hashable
from time import perf_counter, thread_time
from typing import Any

import structlog

from services.runtime.counters import Counters
from services.runtime.durations import Durations
from services.runtime.fair_line import FairLine
from services.runtime.tickets import Ticket

# The key of the lifespan's state.
ADMISSION = "admission"

# While requests wait, the event loop is looked at after this time.
TICK_S = 0.005
# It is late if it has used so much more processor time by then. A request takes some ten turns of the loop, and so
# does /readyz. Not time by the clock: a process that shares its core would stop to begin anything.
LATE_S = 0.004
# At least so many requests run at once, however late the loop is; and so many begin without proof that more are
# possible.
LEAST, AT_FIRST = 8, 64
# A line that is no longer than this is no overload, however long it takes: the machine is busy with other things.
SHORT = 300
# Nor is a longer one in which nobody has waited for longer than this: it moves.
BURST_S = 0.5
# In an overload, those who have waited for longer are refused. The others are served, the newest first.
PATIENCE_S = 0.1
# So many are more than will be served within that time. If there are more in an overload, a request over a new
# connection is refused at once if its client has its share of the line; if there are twice as many, every one.
CROWD = 64
# The same for subscriptions and new sockets, oldest first: a thousand may come together after an outage.
SOCKET_PATIENCE_S = 10.0
MOST_SUBSCRIPTIONS = MOST_SOCKETS = 10_000
# An overload is over when nobody was refused for this long.
CALM_S = 1.0
# At the same time as ordinary requests, this many of an operator run at once.
MOST_PROBES = 16

_log = structlog.stdlib.get_logger("taxirank.overload")


class Admission:
    """A bound on the requests under way in a process, which follows what the process can do.

    - As many run at once as the event loop can serve without being late, at most ``limit``. Waiting for the
      database or another system does not make the loop late, so then many may run.
    - Nothing begins while many wait for a connection of the database: they would wait there instead.
    - All others wait before anything of them is read but the head, at most ``limit``. Clients have turns, so that
      none can take the places of the others.
    - A line longer than ``SHORT``, whose first has waited for ``BURST_S``, is an overload. From then on until the
      line is empty, whoever has waited for ``PATIENCE_S`` is refused, and the newest are served first: those who
      are accepted are served soon.
    - Subscriptions wait in a line of their own, for longer. Both lines have turns alternately.

    The log has one line when it begins to refuse and one when that is over.
    """

    def __init__(
        self,
        limit: int,
        counters: Counters,
        *,
        database_room: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = perf_counter,
        processor_s: Callable[[], float] = thread_time,
        call_later: Callable[[float, Callable[[], None]], Any] | None = None,
    ) -> None:
        """``database_room``: how many more may ask for a connection of the database. ``processor_s``: the
        processor time of the event loop's thread.
        """
        self._limit = limit
        self._counters = counters
        self._database_room = database_room
        self._clock = clock
        self._processor_s = processor_s
        self._call_later = call_later or _call_later
        self._ceiling = min(limit, AT_FIRST)
        self._requests = FairLine[Ticket]()
        self._subscriptions = FairLine[Ticket]()
        self._is_turn_of_subscriptions = False
        # Whether the line of requests has become an overload.
        self._is_too_long = False
        # The processor time when the next look at the line was arranged; None: it was not.
        self._tick_began_s: float | None = None
        self._socket_waited_s = 0.0
        self._probes = 0
        self._refused = 0
        self._refused_s = self._overloaded_since_s = 0.0
        # How many have a place; and whether any was refused a moment ago.
        self.running = 0
        self.is_overloaded = False
        # How long those waited that had to.
        self.waits = Durations()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._requests) + len(self._subscriptions)

    @property
    def ceiling(self) -> int:
        """How many may have a place now."""
        return self._ceiling

    @property
    def is_full(self) -> bool:
        """Whether whoever comes now would have to wait."""
        return self.running >= self._ceiling or self.waiting > 0 or self._database_room() <= 0

    def begin(self, *, needs_database: bool = True) -> Ticket | None:
        """A place, or None: then there is none, and the request has to ``wait``. At its end, it must call
        ``leave`` of its ticket.

        ``needs_database``: false lets it pass those who wait for that.
        """
        if self.running >= self._ceiling or (needs_database and self.is_full):
            return None
        self.running += 1
        return Ticket(self)

    def wait(
        self,
        client: Hashable,
        start: Callable[[Ticket], object],
        refuse: Callable[[Ticket], object],
        *,
        is_subscription: bool = False,
    ) -> Ticket:
        """Call ``start`` when there is a place, or ``refuse``, perhaps before this returns.

        ``client``: the one that it counts for.
        """
        now_s, ticket = self._clock(), Ticket(self)
        if not self._requests:
            self._is_too_long = False
        ticket.wait(client, now_s, start, refuse, is_subscription=is_subscription)
        line = self._line_of(ticket)
        refused = line.put(ticket, most=MOST_SUBSCRIPTIONS if is_subscription else self._limit)
        if refused is not None:
            self._turn_away(refused, now_s)
        if self._tick_began_s is None:
            self._wait()
        return ticket

    @property
    def is_crowded(self) -> bool:
        """Whether there is an overload in which a request over a new connection may be refused at once."""
        return self.is_overloaded and len(self._requests) >= CROWD

    def refuses_at_once(self, client: Hashable) -> bool:
        """Whether a request that has just come over a new connection is refused before it waits."""
        if not self.is_crowded or (len(self._requests) < 2 * CROWD and not self._requests.has_its_share(client)):
            return False
        self._counters.refused_requests += 1
        self._note_refusal(self._clock())
        return True

    def enter_probe(self) -> bool:
        """Whether a probe of the operator may run now, past all others; then ``leave_probe`` must follow."""
        if self._probes >= MOST_PROBES:
            return False
        self._probes += 1
        return True

    def leave_probe(self) -> None:
        """A probe has ended."""
        self._probes -= 1

    def refuses_socket(self, waiting: int) -> bool:
        """Whether the handshake that has just come is refused; ``waiting``: how many are before it."""
        is_refused = waiting >= MOST_SOCKETS or (waiting > SHORT and self._socket_waited_s > SOCKET_PATIENCE_S)
        if is_refused:
            self._counters.refused_sockets += 1
            self._note_refusal(self._clock())
        return is_refused

    def note_socket(self, waited_s: float) -> None:
        """A handshake has its turn, after it has waited for so long."""
        self._socket_waited_s = waited_s

    def occupy(self) -> None:
        """A request goes on after a pause."""
        self.running += 1

    def vacate(self) -> None:
        """A place is free."""
        self.running -= 1
        if self._requests or self._subscriptions:
            # Whoever begins asks for a connection only in a moment.
            self._fill(self._clock(), most=min(1, self._database_room()))
        else:
            # What was possible before is not known to be possible later.
            self._ceiling = min(self._limit, max(AT_FIRST, self.running))

    def forget(self, ticket: Ticket) -> None:
        """A client has left the line."""
        self._line_of(ticket).forget()

    def _line_of(self, ticket: Ticket) -> FairLine[Ticket]:
        return self._subscriptions if ticket.is_subscription else self._requests

    def _wait(self) -> None:
        self._tick_began_s = self._processor_s()
        self._call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        """See how busy the loop is, and let in or turn away whoever waits."""
        assert self._tick_began_s is not None
        late_s = self._processor_s() - self._tick_began_s - TICK_S
        now_s, room, self._tick_began_s = self._clock(), self._database_room(), None
        if late_s > LATE_S:
            self._ceiling = max(min(LEAST, self._limit), min(self._ceiling, self.running) * 3 // 4)
        elif self.running >= self._ceiling and room > 0:
            # Those under way wait for something else than the loop, or the loop can do more.
            self._ceiling = min(self._limit, self._ceiling + 1 + self._ceiling // 16)
        self._turn_old_ones_away(now_s)
        self._fill(now_s, most=room)
        # One that began may have let others wait, and arranged the next look.
        if self.waiting and self._tick_began_s is None:
            self._wait()

    def _turn_old_ones_away(self, now_s: float) -> None:
        if len(self._requests) > SHORT and now_s - self._requests.oldest_since_s() > BURST_S:
            self._is_too_long = True
        if self._is_too_long:
            for ticket in list(self._requests.older_than(now_s - PATIENCE_S)):
                self._turn_away(ticket, now_s)
        if len(self._subscriptions) > SHORT:
            for ticket in list(self._subscriptions.older_than(now_s - SOCKET_PATIENCE_S)):
                self._turn_away(ticket, now_s)

    def _fill(self, now_s: float, *, most: int) -> None:
        while most > 0 and self.waiting and self.running < self._ceiling:
            is_subscription = bool(self._subscriptions) and (self._is_turn_of_subscriptions or not self._requests)
            self._is_turn_of_subscriptions = not is_subscription
            line, newest = (self._subscriptions, False) if is_subscription else (self._requests, self._is_too_long)
            ticket = line.take(newest=newest)
            self.waits.add(now_s - ticket.since_s)
            self.running += 1
            most -= 1
            ticket.begin()

    def _turn_away(self, ticket: Ticket, now_s: float) -> None:
        if ticket.is_subscription:
            self._counters.refused_sockets += 1
        else:
            self._counters.refused_requests += 1
        self._note_refusal(now_s)
        ticket.refuse()

    def _note_refusal(self, now_s: float) -> None:
        self._refused += 1
        self._refused_s = now_s
        if not self.is_overloaded:
            self.is_overloaded = True
            self._refused = 1
            self._overloaded_since_s = now_s
            _log.warning("overloaded: requests are refused", running=self.running, waiting=self.waiting)
            self._call_later(CALM_S, self._look_whether_it_is_over)

    def _look_whether_it_is_over(self) -> None:
        now_s = self._clock()
        left_s = self._refused_s + CALM_S - now_s
        if left_s > 0:
            self._call_later(left_s, self._look_whether_it_is_over)
            return
        self.is_overloaded = False
        lasted_s = round(self._refused_s - self._overloaded_since_s, 1)
        _log.warning("no longer overloaded", refused=self._refused, lasted_s=lasted_s)


def _call_later(delay_s: float, call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(delay_s, call)
