"""The Redis of this process: its connections, its role, and the log of its outages."""

import asyncio
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import structlog
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.connection import HiredisRespSerializer
from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError, ReadOnlyError, RedisError

_log = structlog.stdlib.get_logger(__name__)

SETTING = "TAXIRANK_REDIS_URL"
CHECK_TIMEOUT_S = 2.0
# The lifetime of the key that tests whether Redis accepts writes.
PROBE_TTL_MS = 10_000
# An outage ends after this many heartbeats without a failure, so that an intermittent failure is one outage.
QUIET_HEARTBEATS = 3

LINK_ERRORS = (RedisError, OSError, TimeoutError)

_SERIALIZER = HiredisRespSerializer()

# A script, because positions and rates are also written by scripts.
_PROBE = "return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])"


_REPLICA = "is a read-only replica"


class WrongRole(ConnectionError):
    """A replica: it refuses writes, and what is published on it reaches only its own listeners."""


class WrongKind(ConnectionError):
    """A server that can never be used: a node of a Redis Cluster, a Sentinel, or older than Redis 6."""


class UnusableRedis(Exception):
    """The setting names a server that can never be used. The text is one line that says what to do, without
    the password."""


class RedisLink:
    """The Redis that all parts of this process share.

    Every new connection checks the role of its server, and is closed if the role is wrong.

    There are two kinds of outage. Each begins and ends with one line in the log:

    - The link is down (``is_up``): no events are received, and no code sends requests to Redis.
    - The link is up, but Redis refuses or delays other requests (``is_healthy``), for example because it is full.
      Each process then keeps positions and rates for itself.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._server = _shown(url)
        self._clients: list[Redis] = []
        self._up = False
        # Changes whenever Redis may have lost data, or this process may be connected to another server.
        self.epoch = 0
        # Since when (``time.monotonic``) Redis can have lost nothing that this process knows of.
        self.whole_since = time.monotonic()
        self._part_error: str | BaseException | None = None
        self._quiet_heartbeats = 0
        self._demoted = asyncio.Event()
        self._away = _Outage("redis is away: each process works for itself until it is back")
        self._failing = _Outage("redis fails in part: each process keeps positions and rates for itself")

    @property
    def is_up(self) -> bool:
        """Whether events are received."""
        return self._up

    @property
    def is_healthy(self) -> bool:
        """Whether Redis has been answering all kinds of requests."""
        return self._up and self._part_error is None

    def client(self, *, timeout_s: float, max_connections: int) -> Redis:
        """A client of this Redis with connections of its own, which live as long as the link."""
        client = Redis.from_url(
            self._url,
            # RESP2: on a connection that only listens, every reply is one of a few arrays.
            protocol=2,
            retry=None,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            max_connections=max_connections,
            redis_connect_func=_connect,
        )
        self._clients.append(client)
        return client

    def went_up(self) -> None:
        """The link is up: events are received again."""
        self._up = True
        self._demoted.clear()
        self.whole_since = time.monotonic()
        self._away.end()

    async def went_down(self, error: BaseException) -> None:
        """The link is down. Drops all connections: the address may now lead to another server."""
        self._up = False
        self.epoch += 1
        self._away.begin(error, server=self._server)
        if not self._failing.is_on:
            self._part_error = None
        for client in self._clients:
            pool = client.connection_pool
            with suppress(*LINK_ERRORS):
                # Connections in use are closed when they are released.
                await pool.update_active_connections_for_reconnect()
                await pool.disconnect(inuse_connections=False)

    async def demoted(self) -> None:
        """Wait for any answer of a read-only replica.

        Raises:
            WrongRole: always.
        """
        await self._demoted.wait()
        raise WrongRole(_REPLICA)

    def failed(self, error: str | BaseException) -> None:
        """Redis refused a request, or did not answer in time. Logged only if the link stays up.

        An answer of a read-only replica ends the link.
        """
        if is_of_replica(error):
            self._demoted.set()
        self.epoch += 1
        self.whole_since = time.monotonic()
        self._part_error = error
        self._quiet_heartbeats = 0

    def heartbeat_returned(self, error: BaseException | None) -> None:
        """A heartbeat of this process came back. ``error``: why Redis refused the write that came with it."""
        if error is not None:
            self.failed(error)
        if self._part_error is None:
            return
        self._failing.begin(self._part_error, server=self._server)
        self._quiet_heartbeats += 1
        if error is None and self._quiet_heartbeats >= QUIET_HEARTBEATS:
            self._part_error = None
            self._failing.end()

    async def check(self, name: str) -> None:
        """Check whether the setting can ever work. A Redis that is unreachable, a replica or full is no error.

        ``name``: of a channel and a key of our own.

        Raises:
            UnusableRedis
        """
        try:
            client = self.client(timeout_s=CHECK_TIMEOUT_S, max_connections=2)
            listening = client.connection_pool.make_connection()
        except (ValueError, TypeError) as error:
            raise UnusableRedis(f"is not the address of a Redis ({error})") from None
        try:
            await listening.connect()
            await listening.send_command("SUBSCRIBE", name)
            await listening.read_response()
            if (error := await probe(client, name)) is not None:
                raise error
        except LINK_ERRORS as error:
            if _is_final(error):
                raise UnusableRedis(f"{self._server} {_words(error)}: {_advice(error)}") from None
        finally:
            await listening.disconnect(nowait=True)
            await self.close()

    async def close(self) -> None:
        """Close every connection."""
        self._up = False
        for client in self._clients:
            with suppress(*LINK_ERRORS):
                await client.aclose()


async def probe(redis: Redis, name: str) -> Exception | None:
    """Publish a heartbeat on the channel ``name``, and test the role and a write in the same round trip.

    Returns why Redis takes no writes, or None.

    Raises:
        WrongRole, WrongKind: the server's role has changed, or a proxy leads to a replica.
        RedisError, OSError: it does not answer, or the heartbeat was not published.
    """
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.publish(name, b"")
        pipeline.execute_command("HELLO")
        pipeline.eval(_PROBE, 1, name, str(PROBE_TTL_MS))
        published, hello, written = await pipeline.execute(raise_on_error=False)
    check_role(hello)
    if isinstance(published, Exception):
        raise published
    if is_of_replica(written):
        raise WrongRole(_REPLICA)
    return written if isinstance(written, Exception) else None


def check_role(hello: Any) -> None:
    """Check by the answer to HELLO that the server is a primary.

    HELLO has the same information as ROLE, is allowed to every user, and also shows clusters.

    Raises:
        WrongRole, WrongKind
        RedisError: what Redis answered instead.
    """
    if isinstance(hello, RedisError):
        if "unknown command" in str(hello).lower():
            raise WrongKind("is older than Redis 6 (it does not know HELLO)")
        raise hello
    fields = dict(zip(hello[::2], hello[1::2], strict=False))
    mode, role = fields.get(b"mode"), fields.get(b"role")
    if mode == b"cluster":
        raise WrongKind("is a node of a Redis Cluster, which has only a part of the keys")
    if mode == b"sentinel":
        raise WrongKind("is a Sentinel, which stores no data")
    if role is not None and role != b"master":
        raise WrongRole(_REPLICA)


def is_of_replica(error: Any) -> bool:
    """Whether the error of Redis, or its text, is a replica's refusal of a write."""
    # Within a script, Redis 6 has more before the code.
    return isinstance(error, WrongRole | ReadOnlyError) or (isinstance(error, str) and "READONLY" in error)


async def _connect(connection: AbstractConnection) -> None:
    """Run redis-py's set-up of a connection, then check the role of the server."""
    # Commands are packed in C. redis-py does so for its blocking client only; in Python it takes 1 µs an argument.
    connection.pack_command = _SERIALIZER.pack  # pyright: ignore[reportAttributeAccessIssue]
    await connection.on_connect()
    await connection.send_command("HELLO", check_health=False)
    try:
        hello = await connection.read_response(disable_decoding=True)
    except RedisError as error:
        hello = error
    check_role(hello)


class _Outage:
    """An outage, with one log line when it begins and one when it ends."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began_at: float | None = None

    @property
    def is_on(self) -> bool:
        return self._began_at is not None

    def begin(self, error: str | BaseException, *, server: str) -> None:
        if self._began_at is None:
            self._began_at = asyncio.get_running_loop().time()
            _log.warning(self._what, setting=SETTING, server=server, error=_words(error), hint=_advice(error))

    def end(self) -> None:
        if self._began_at is not None:
            lasted_s = asyncio.get_running_loop().time() - self._began_at
            self._began_at = None
            # Also a warning: each line is useless without the other.
            _log.warning(f"{self._what.partition(':')[0]} no more", lasted_s=round(lasted_s, 1))


def _shown(url: str) -> str:
    """The address without user, password and options."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    database = parts.path.strip("/") or "0"
    return f"{parts.scheme}://{parts.hostname or 'localhost'}:{parts.port or 6379}/{database}"


def _words(error: str | BaseException) -> str:
    return str(error) or type(error).__name__


def _code(error: str | BaseException) -> str:
    """The code at the beginning of a Redis error, such as OOM."""
    code = getattr(error, "status_code", None)
    return code if code is not None else str(error).partition(" ")[0]


def _is_bad_database(error: str | BaseException) -> bool:
    return "DB index" in str(error)


def _is_final(error: BaseException) -> bool:
    """Whether the error lasts until an operator changes the setting or the user in Redis."""
    return isinstance(error, WrongKind | AuthenticationError | NoPermissionError) or _is_bad_database(error)


def _advice(error: str | BaseException) -> str:
    if isinstance(error, WrongKind):
        return "use a single Redis (version 6 or newer) or Valkey"
    if is_of_replica(error):
        return "use the address of the primary, or make this one the primary"
    if isinstance(error, AuthenticationError):
        return "correct the user name and the password in the address"
    if _is_bad_database(error):
        return "correct the number of the database in the address"
    return _ADVICE.get(_code(error), f"start it, or correct {SETTING}")


_ADVICE = {
    "OOM": "raise its maxmemory",
    "MISCONF": 'let it save to its disk, or turn that off (save "")',
    "NOPERM": "allow its user what docs/operations.md lists",
    "NOREPLICAS": "bring its replicas back, or lower min-replicas-to-write",
    "LOADING": "wait until it has loaded its data",
}
