"""The server that a link's connections lead to: always the same, or the primary that sentinels name."""

import asyncio
from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

from redis.asyncio.connection import ConnectionPool

from services.events.redis_address import RedisAddress
from services.events.sentinel_target import SentinelTarget


class Target(Protocol):
    """Leads the connections of all clients of a link to one server, and says whether it is still the right one."""

    @property
    def is_sure(self) -> bool:
        """Whether the server was the primary a moment ago, as far as anybody can know."""
        ...

    @property
    def shared_since(self) -> float:
        """Since when (``time.monotonic``) no process that is sure of its server uses another one; may be in the
        future. Infinite: it is not known yet.
        """
        ...

    @property
    def log_fields(self) -> Mapping[str, str]:
        """What a log line says of the server, in addition to the address of the setting."""
        ...

    def pool(self, **options: Any) -> ConnectionPool:
        """A pool whose connections lead to the server."""
        ...

    async def follow(self) -> None:
        """Keep up with what is the primary. Never returns. Only one task may run it."""
        ...

    async def check(self) -> None:
        """Check whether the setting can ever work. Raises: WrongKind, UnusableRedis."""
        ...

    async def find(self) -> None:
        """Decide which server new connections lead to. Raises: ConnectionError: none is known."""
        ...

    async def moved(self) -> NoReturn:
        """Wait until another server is the primary. Raises: PrimaryMoved: then."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait that long before the next attempt to connect, or less if another server is the primary."""
        ...

    def advice(self, error: str | BaseException) -> str | None:
        """What an operator can do about an error, if that is special to this kind of address."""
        ...

    async def close(self) -> None:
        """Close connections of its own."""
        ...


class FixedTarget:
    """The one server of an address without sentinels. Its role is checked on each connection."""

    is_sure = True
    shared_since = 0.0
    log_fields: Mapping[str, str] = {}

    def __init__(self, address: RedisAddress) -> None:
        self._address = address

    def pool(self, **options: Any) -> ConnectionPool:
        return ConnectionPool(**{**options, **self._address.options})

    async def follow(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def check(self) -> None:
        pass

    async def find(self) -> None:
        pass

    async def moved(self) -> NoReturn:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def advice(self, error: str | BaseException) -> str | None:
        return None

    async def close(self) -> None:
        pass


def target_of(address: RedisAddress) -> Target:
    """The target for an address."""
    return SentinelTarget(address) if address.sentinels else FixedTarget(address)
