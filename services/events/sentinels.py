"""Asks one sentinel which server is the primary."""

import asyncio
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, ConnectionPool
from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError, RedisError

from services.events.redis_address import Place, RedisAddress, shown_place
from services.events.redis_errors import LINK_ERRORS, SETTING, words

_log = structlog.stdlib.get_logger(__name__)

# A sentinel is reported after so many failures in a row, so that a busy machine is not.
REPORTED_FAILURES = 3


class PrimaryMoved(ConnectionError):
    """The sentinels name another server as the primary."""


class NoPrimaryKnown(ConnectionError):
    """No sentinel has named a primary yet."""


class Unconfirmed(ConnectionError):
    """Too few sentinels answer, or they disagree."""


class NotASentinel(ConnectionError):
    """A server that does not know the command SENTINEL: a Redis."""


class UnknownService(ConnectionError):
    """The sentinel watches no service with that name."""


@dataclass(frozen=True, slots=True)
class Primary:
    """What a sentinel names. ``epoch`` grows with each failover."""

    place: Place
    epoch: int


class Sentinel:
    """One sentinel, and its last answer."""

    def __init__(self, place: Place, address: RedisAddress) -> None:
        self.shown = shown_place(place)
        host, port = place
        options: dict[str, Any] = {"connection_class": Connection, **address.sentinel_options}
        self._redis = Redis.from_pool(
            ConnectionPool(
                host=host,
                port=port,
                protocol=2,
                retry=None,
                # `ask` bounds all waiting.
                socket_timeout=None,
                max_connections=2,
                **options,
            )
        )
        self._service = address.service
        self.named: Primary | None = None
        # When the question of that answer was sent (``time.monotonic``).
        self.asked_at = -math.inf
        self.error: Exception | None = None
        self._failures = 0

    async def ask(self, timeout_s: float) -> None:
        """Ask once. A failure leaves the last answer as it is, and so does no answer in that time."""
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                self.named = await self._answer()
            self.asked_at = asked_at
            self.error = None
        except Exception as error:
            # Any error: otherwise no sentinel would be asked again.
            self.error = error
        self._report()

    async def _answer(self) -> Primary:
        async with self._redis.pipeline(transaction=False) as pipeline:
            # During a failover this answer is newer than that of SENTINEL MASTER, which has the epoch.
            pipeline.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            pipeline.execute_command("SENTINEL", "MASTER", self._service)
            place, state = await pipeline.execute(raise_on_error=False)
        if isinstance(place, RedisError):
            if "unknown command" in str(place).lower():
                raise NotASentinel("it is a Redis, not a Sentinel")
            raise place
        if not place:
            raise UnknownService("it watches no such service")
        if isinstance(state, RedisError):
            raise state
        host, port = place
        fields = dict(zip(state[::2], state[1::2], strict=False))
        return Primary((host.decode(), int(port)), int(fields[b"config-epoch"]))

    def _report(self) -> None:
        if self.error is None:
            if self._failures >= REPORTED_FAILURES:
                _log.warning("a sentinel answers again", sentinel=self.shown)
            self._failures = 0
            return
        self._failures += 1
        if self._failures == REPORTED_FAILURES:
            _log.warning(
                "a sentinel gives no answer: when too few do, this process relies on no primary",
                setting=SETTING,
                sentinel=self.shown,
                error=words(self.error),
            )

    async def close(self) -> None:
        with suppress(*LINK_ERRORS):
            await self._redis.aclose()


def remedy(error: Exception) -> str | None:
    """What to do about an error of a sentinel that lasts until somebody changes something."""
    if isinstance(error, NotASentinel):
        return "list only sentinels, or write redis:// for a single Redis"
    if isinstance(error, AuthenticationError):
        return "add ?sentinel_username=…&sentinel_password=… to the address, or correct them"
    if isinstance(error, NoPermissionError):
        return "allow its user what docs/operations.md lists"
    return None
