"""Notices a promotion, and a server that stands still, although no connection breaks."""

import asyncio
import errno
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import asyncpg
import structlog

from services.database.address import Host, name_of
from services.database.postgres import Connector, reason
from services.database.primaries import UNKNOWN, Primary, primary_of
from services.runtime.tasks import cancel_and_wait

_log = structlog.stdlib.get_logger(__name__)

INTERVAL_S = 1.0
# However often it is told to look.
SHORTEST_INTERVAL_S = 0.05
# An address may lead to another server by now, while open connections stay where they are.
RENEW_S = 10.0
# For an answer, and then for one on a new connection. A server with much to do takes longer for that.
ANSWER_TIMEOUT_S = 1.0
SECOND_TIMEOUT_S = 2.5
# The machine has vanished from its network.
_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}


class PrimaryWatch:
    """Asks each host once a second whether it is the primary by now.

    If another host has become the primary, or another server has taken over the address, all connections to the
    former one end, also those that wait for an answer: it may stand still, or have lost its network, and would
    keep them waiting. If it still accepts writes, nothing is written there any more. The log names it, until it
    accepts none.

    If a host gives no answer for about four seconds, neither on an open connection nor on a new one, all
    connections to it end, and none is opened until it answers the watch.
    """

    def __init__(self, connector: Connector, *, answers: Callable[[], int]) -> None:
        """``answers``: how many answers the database has given to others in this process."""
        self._connector = connector
        self._tasks: list[asyncio.Task[None]] = []
        self._hosts = [_Asked(connector, host, answers) for host in connector.address.hosts]
        self._former: set[Host] = set()
        self._is_blind = False

    @property
    def former_primaries(self) -> int:
        """How many hosts accept writes although another has taken their place."""
        return len(self._former)

    def start(self) -> None:
        """Begin to ask."""
        self._tasks = [
            asyncio.create_task(self._watch(asked), name=f"watch {name_of(asked.host)}") for asked in self._hosts
        ]

    def on_promotion(self, call: Callable[[], None]) -> None:
        """Call this whenever there is a new primary, before anything is changed there."""
        self._connector.on_promotion = call

    def look(self) -> None:
        """Ask soon: there may be a new primary."""
        for asked in self._hosts:
            asked.called.set()

    async def stop(self) -> None:
        """Stop asking."""
        await cancel_and_wait(self._tasks)

    async def _watch(self, asked: "_Asked") -> None:
        try:
            while True:
                await asked.pause()
                try:
                    self._learn(asked.host, await asked.primary())
                # Any error: without this task a promotion would go unnoticed.
                except Exception as error:
                    self._former.discard(asked.host)
                    asked.has_failed(error)
        finally:
            asked.hang_up()

    def _learn(self, host: Host, primary: Primary | None) -> None:
        if primary is None:
            self._former.discard(host)
            return
        if primary == UNKNOWN and not self._is_blind:
            self._is_blind = True
            _log.warning("a host of the database does not tell if it is a former primary", host=name_of(host))
        self._connector.learn(host, primary)
        is_former = self._connector.primaries.is_former(primary)
        if is_former and host not in self._former:
            self._former.add(host)
            _log.error(
                "a former primary still accepts writes: shut it down",
                host=name_of(host),
                timeline=primary.timeline,
            )
        elif not is_former:
            self._former.discard(host)


class _Asked:
    """One host, and a connection to ask it."""

    def __init__(self, connector: Connector, host: Host, answers: Callable[[], int]) -> None:
        self.host = host
        self._connector = connector
        self._answers = answers
        # One that several servers share.
        self._has_one_address = len(connector.address.hosts) == 1
        self.called = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._opened_s = 0.0
        self._is_told = False
        self._is_given_up = False

    async def pause(self) -> None:
        """Return after a second, or soon after ``called``."""
        await asyncio.sleep(SHORTEST_INTERVAL_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(INTERVAL_S - SHORTEST_INTERVAL_S):
                await self.called.wait()
        if self._opened_s + RENEW_S < monotonic() or (self.called.is_set() and self._has_one_address):
            self.hang_up()
        self.called.clear()

    async def primary(self) -> Primary | None:
        """As ``primary_of``. A host that gives no answer is given up.

        Raises: as ``Connector.open`` and ``primary_of`` do.
        """
        before: int | None = None
        try:
            try:
                found = await self._ask(ANSWER_TIMEOUT_S)
            except Exception as error:
                if not _is_silence(error):
                    raise
                # Perhaps only that connection is dead, or this process stood still itself.
                before = self._answers()
                found = await self._ask(SECOND_TIMEOUT_S)
        except Exception as error:
            # What others were answered meanwhile shows that it works, and has much to do.
            if _is_silence(error) and self._answers() == before:
                self._give_up()
            raise
        if self._is_told:
            _log.info("a host of the database answers again", host=name_of(self.host))
        self._is_told = self._is_given_up = False
        self._connector.found(self.host)
        return found

    async def _ask(self, timeout_s: float) -> Primary | None:
        try:
            async with asyncio.timeout(timeout_s):
                if self._connection is None:
                    self._connection = await self._connector.open(self.host, target="any")
                    self._opened_s = monotonic()
                return await primary_of(self._connection)
        except BaseException:
            self.hang_up()
            raise

    def has_failed(self, error: Exception) -> None:
        """Log it, if that is new."""
        if not self._is_told:
            _log.warning("a host of the database does not answer", host=name_of(self.host), error=reason(error))
        self._is_told = True

    def _give_up(self) -> None:
        if not self._is_given_up:
            _log.error(
                "a host of the database stands still: nobody waits for it any more", host=name_of(self.host)
            )
        self._is_given_up = True
        self._connector.give_up(self.host)

    def hang_up(self) -> None:
        """Close the connection without waiting."""
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None


def _is_silence(error: Exception) -> bool:
    """Whether there was no answer. A refusal is one."""
    return isinstance(error, TimeoutError) or (isinstance(error, OSError) and error.errno in _UNREACHABLE)
