"""The way of one request through the places and the line of a process."""

from collections.abc import Callable, Hashable
from contextvars import Context, copy_context
from enum import Enum, auto
from typing import Protocol


class Places(Protocol):
    """What a ticket tells of its way."""

    def occupy(self) -> None:
        """It goes on after a pause."""
        ...

    def vacate(self) -> None:
        """Its place is free."""
        ...

    def forget(self, ticket: "Ticket") -> None:
        """It has left the line."""
        ...


class _Stage(Enum):
    WAITING = auto()
    RUNNING = auto()
    # It waits for its client.
    PAUSED = auto()
    OVER = auto()


class Ticket:
    """One request or operation: it waits, then it has a place, then it is over."""

    __slots__ = (
        "_context",
        "_places",
        "_refuse",
        "_stage",
        "_start",
        "client",
        "is_subscription",
        "since_s",
    )

    # Of one that waits, or has waited.
    client: Hashable
    since_s: float
    is_subscription: bool
    # None after one of them was called: both refer to the request.
    _start: "Callable[[Ticket], object] | None"
    _refuse: "Callable[[Ticket], object] | None"
    _context: Context | None

    def __init__(self, places: Places) -> None:
        """It has a place, unless it has to ``wait``."""
        self._places = places
        self._stage = _Stage.RUNNING

    @property
    def is_waiting(self) -> bool:
        """Whether it is in the line."""
        return self._stage is _Stage.WAITING

    def wait(
        self,
        client: Hashable,
        since_s: float,
        start: Callable[["Ticket"], object],
        refuse: Callable[["Ticket"], object],
        *,
        is_subscription: bool,
    ) -> None:
        """Wait in the line of this client, until one of the functions is called."""
        self._stage = _Stage.WAITING
        self.client = client
        self.since_s = since_s
        self._start, self._refuse = start, refuse
        self.is_subscription = is_subscription
        # Others end, or a timer fires, before it begins: their request ids and spans must not become its own.
        self._context = copy_context()

    def begin(self) -> None:
        """Take the place."""
        self._stage = _Stage.RUNNING
        self._call(self._start)

    def refuse(self) -> None:
        """End it without having begun."""
        self._stage = _Stage.OVER
        self._call(self._refuse)

    def _call(self, chosen: Callable[["Ticket"], object] | None) -> None:
        context = self._context
        self._start = self._refuse = self._context = None
        assert chosen is not None
        assert context is not None
        context.run(chosen, self)

    def leave(self, _: object = None) -> None:
        """It is over, or its client has left the line. Any further call does nothing."""
        stage, self._stage = self._stage, _Stage.OVER
        if stage is _Stage.RUNNING:
            self._places.vacate()
        elif stage is _Stage.WAITING:
            self._start = self._refuse = self._context = None
            self._places.forget(self)

    def cancel(self) -> None:
        """Leave the line; if it has begun, do nothing."""
        if self._stage is _Stage.WAITING:
            self.leave()

    def pause(self) -> None:
        """It waits for its client: its place is free for others."""
        if self._stage is _Stage.RUNNING:
            self._stage = _Stage.PAUSED
            self._places.vacate()

    def resume(self) -> None:
        """Go on at once, whether there is a place or not."""
        if self._stage is _Stage.PAUSED:
            self._stage = _Stage.RUNNING
            self._places.occupy()
