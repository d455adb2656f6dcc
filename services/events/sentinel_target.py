"""Asks the sentinels which server is the primary, and leads connections there.

All sentinels are asked, side by side, twice a second. What a majority of them says decides what this process may
rely on:

- Every process is *sure* of its server for ``SURE_S`` after a majority has named it.
- Two majorities have a sentinel in common, and no sentinel goes back to an older answer. So when a process sees
  that a majority names another server, every other process stops being sure of the old one within ``SURE_S``.

Without this rule, changes would be lost silently: until a demoted primary learns of its demotion, it takes events,
positions and leases like before (for about ten seconds after a planned failover; redis-py issue 3874).
"""

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn
from weakref import WeakSet

from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection

from services.events.redis_address import Place, RedisAddress, shown_place
from services.events.redis_errors import SETTING, UnusableRedis, WrongRole, words
from services.events.sentinels import (
    NoPrimaryKnown,
    Primary,
    PrimaryMoved,
    Sentinel,
    Unconfirmed,
    UnknownService,
    remedy,
)

ASK_INTERVAL_S = 0.4
ASK_TIMEOUT_S = 1.0
# For the first answers: where all servers start at once, a new connection takes long, above all with TLS.
CHECK_TIMEOUT_S = 5.0
# For how long a process relies on the answers of a majority. Not longer than data is used without a look into the
# database (``leases.MAX_UNCHECKED_S``).
SURE_S = 2.0
# Without a majority the newest answer is followed, after this time: sentinels tell one another within it.
AGREE_S = 1.0


class SentinelTarget:
    """The primary that the sentinels name."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._sentinels = [Sentinel(place, address) for place in address.sentinels]
        self._majority = len(self._sentinels) // 2 + 1
        # The newest answer, and when it came first.
        self._newest: Primary | None = None
        self._newest_since = 0.0
        # What new connections should lead to; what those of the link lead to.
        self._chosen: Primary | None = None
        self._found: Primary | None = None
        self._has_chosen = asyncio.Event()
        self._connections = WeakSet[_PlainConnection]()
        # The last primary that a majority has named, and since when no other one is relied on.
        self._agreed: Primary | None = None
        self._shared_since = math.inf

    @property
    def is_sure(self) -> bool:
        """Whether a majority has named this server within the last ``SURE_S``."""
        return self._found is not None and time.monotonic() - self._confirmed_at(self._found) <= SURE_S

    @property
    def shared_since(self) -> float:
        """``SURE_S`` after the first majority for this server."""
        return self._shared_since if self._found is not None and self._found == self._agreed else math.inf

    @property
    def log_fields(self) -> Mapping[str, str]:
        """The primary."""
        return {"primary": shown_place(self._found.place)} if self._found is not None else {}

    def pool(self, **options: Any) -> ConnectionPool:
        """A pool whose connections lead to the primary that ``find`` found last."""
        given = {**options, **self._address.options}
        given["connection_class"] = _EncryptedConnection if self._address.is_encrypted else _PlainConnection
        return ConnectionPool(**given, target=self)

    def admit(self, connection: "_PlainConnection") -> Place:
        """Where the connection should lead now. It is aborted when there is another primary."""
        if self._found is None:
            raise NoPrimaryKnown("no sentinel has named a primary yet")
        self._connections.add(connection)
        return self._found.place

    async def follow(self) -> None:
        """Ask all sentinels again and again."""
        async with asyncio.TaskGroup() as asking:
            for sentinel in self._sentinels:
                asking.create_task(self._ask_forever(sentinel))

    async def _ask_forever(self, sentinel: Sentinel) -> None:
        while True:
            await sentinel.ask(ASK_TIMEOUT_S)
            self._decide()
            await asyncio.sleep(ASK_INTERVAL_S)

    async def check(self) -> None:
        """Ask each sentinel once.

        Raises: UnusableRedis: no sentinel answers, or one can never be used.
        """
        await asyncio.gather(*(sentinel.ask(CHECK_TIMEOUT_S) for sentinel in self._sentinels))
        self._decide()
        failed = [(sentinel.shown, sentinel.error) for sentinel in self._sentinels if sentinel.error is not None]
        for shown, error in failed:
            if (what_to_do := remedy(error)) is not None:
                raise UnusableRedis(f"sentinel {shown}: {words(error)}: {what_to_do}")
        if len(failed) < len(self._sentinels):
            self._chosen = self._chosen or self._newest
            return
        if any(isinstance(error, UnknownService) for _, error in failed):
            raise UnusableRedis(
                f"no sentinel watches the service {self._address.service!r}: correct the name after the hosts"
            )
        shown, error = failed[0]
        raise UnusableRedis(
            f"no sentinel answers ({shown}: {words(error)}): start them, or correct their addresses"
        )

    async def find(self) -> None:
        """Lead new connections to the primary; waits a moment for the first answers.

        Raises: NoPrimaryKnown
        """
        if self._chosen is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(ASK_TIMEOUT_S + AGREE_S):
                    await self._has_chosen.wait()
        if self._chosen is None:
            errors = {f"{s.shown}: {words(s.error)}" for s in self._sentinels if s.error is not None}
            raise NoPrimaryKnown(f"no sentinel names a primary ({', '.join(sorted(errors))})")
        if self._chosen != self._found:
            self._found = self._chosen
            # The former primary may still take requests, or never answer those that are under way.
            for connection in self._connections:
                connection.abort()

    async def moved(self) -> NoReturn:
        """Wait until the sentinels name another server. Raises: PrimaryMoved: then."""
        await self._another()
        assert self._chosen is not None, "it has changed"
        raise PrimaryMoved(f"the sentinels name another primary, {shown_place(self._chosen.place)}")

    async def pause(self, seconds: float) -> None:
        """Wait that long, or until another server is named than the last one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._another()

    async def _another(self) -> None:
        while self._chosen == self._found:
            self._has_chosen.clear()
            await self._has_chosen.wait()

    def advice(self, error: str | BaseException) -> str | None:
        """For errors that only sentinels cause."""
        if isinstance(error, PrimaryMoved):
            return "nothing to do: the server connects to the new primary"
        if isinstance(error, WrongRole):
            return "wait until the sentinels have promoted a replica, or look at their logs"
        if isinstance(error, NoPrimaryKnown):
            return f"start the sentinels, or correct {SETTING}"
        if isinstance(error, Unconfirmed):
            return "start the sentinels that are missing, or look at the network between them and this server"
        return None

    async def close(self) -> None:
        """Close the connections to the sentinels."""
        for sentinel in self._sentinels:
            await sentinel.close()

    def _named(self, primary: Primary) -> list[float]:
        """When those sentinels were asked whose last answer was this one, the latest first."""
        return sorted((s.asked_at for s in self._sentinels if s.named == primary), reverse=True)

    def _confirmed_at(self, primary: Primary) -> float:
        """A moment after which a majority has named it; -inf if there was none."""
        asked = self._named(primary)
        return asked[self._majority - 1] if len(asked) >= self._majority else -math.inf

    def _decide(self) -> None:
        """Choose what a majority names; without a majority the newest answer, after ``AGREE_S``."""
        now = time.monotonic()
        answers = {s.named for s in self._sentinels if s.named is not None}
        newest = max(answers, key=lambda named: (named.epoch, len(self._named(named))), default=None)
        if newest != self._newest:
            self._newest, self._newest_since = newest, now
        choice = next((named for named in answers if now - self._confirmed_at(named) <= SURE_S), None)
        if choice is None and now - self._newest_since >= AGREE_S:
            choice = newest
        elif choice is not None and choice != self._agreed:
            self._agreed, self._shared_since = choice, now + SURE_S
        if choice is not None and choice != self._chosen:
            self._chosen = choice
            self._has_chosen.set()


class _PlainConnection(Connection):
    """A connection to the primary at the time at which it connects."""

    def __init__(self, *, target: SentinelTarget, **options: Any) -> None:
        self._target = target
        super().__init__(**options)

    async def connect(self) -> None:
        place = self._target.admit(self)
        if not self.is_connected:
            self.host, self.port = place
        await super().connect()
        if self._target.admit(self) != (self.host, self.port):
            await self.disconnect(nowait=True)
            raise PrimaryMoved("there is another primary meanwhile")

    def abort(self) -> None:
        """Make requests that are under way fail. The next use connects again."""
        # Not `disconnect`: redis-py does not expect it between the steps of another task's request.
        if self._writer is not None:
            self._writer.transport.abort()


class _EncryptedConnection(_PlainConnection, SSLConnection):
    """The same with TLS."""
