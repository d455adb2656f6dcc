"""Notices a promotion although the former primary does not close its connections."""

import asyncio

import asyncpg
import structlog

from services.database.address import Host, name_of
from services.database.postgres import Connector, reason
from services.database.primaries import UNKNOWN, Primary, primary_of
from services.runtime.tasks import cancel_and_wait

_log = structlog.stdlib.get_logger(__name__)

INTERVAL_S = 1.0
# For a new connection and an answer.
ANSWER_TIMEOUT_S = 1.0


class PrimaryWatch:
    """Asks each of several hosts once a second whether it is the primary by now.

    If another host has become the primary, all connections to the former one end, also those that wait for an
    answer: it may stand still, or have lost its network, and would keep them waiting. If it still accepts writes,
    nothing is written there any more. The log names it, until it accepts none.
    """

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._tasks: list[asyncio.Task[None]] = []
        self._former: set[Host] = set()
        self._is_blind = False

    @property
    def former_primaries(self) -> int:
        """How many hosts accept writes although another has taken their place."""
        return len(self._former)

    def start(self) -> None:
        """Begin to ask."""
        self._tasks = [
            asyncio.create_task(self._watch(host), name=f"watch {name_of(host)}")
            for host in self._connector.address.hosts
        ]

    async def stop(self) -> None:
        """Stop asking."""
        await cancel_and_wait(self._tasks)

    async def _watch(self, host: Host) -> None:
        connection: asyncpg.Connection | None = None
        is_silent = False
        try:
            while True:
                try:
                    async with asyncio.timeout(ANSWER_TIMEOUT_S):
                        if connection is None:
                            connection = await self._connector.open(host, target="any")
                        self._learn(host, await primary_of(connection))
                    if is_silent:
                        _log.info("a host of the database answers again", host=name_of(host))
                    is_silent = False
                # Any error: without this task a promotion would go unnoticed.
                except Exception as error:
                    self._former.discard(host)
                    if not is_silent:
                        _log.warning(
                            "a host of the database does not answer", host=name_of(host), error=reason(error)
                        )
                    is_silent = True
                    if connection is not None:
                        connection.terminate()
                    connection = None
                await asyncio.sleep(INTERVAL_S)
        finally:
            if connection is not None:
                connection.terminate()

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
