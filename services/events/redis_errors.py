"""What Redis answers when it is not the server that this process needs, and what an operator can do."""

from typing import Any

from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError, ReadOnlyError, RedisError

from services.events.redis_address import SENTINEL_FORM

SETTING = "TAXIRANK_REDIS_URL"

LINK_ERRORS = (RedisError, OSError, TimeoutError)

REPLICA = "is a read-only replica"


class WrongRole(ConnectionError):
    """A replica: it refuses writes, and what is published on it reaches only its own listeners."""


class WrongKind(ConnectionError):
    """A server that can never be used: a node of a Redis Cluster, a Sentinel, or older than Redis 6."""


class IsSentinel(WrongKind):
    """A Sentinel, where the address is that of a Redis."""


class UnusableRedis(Exception):
    """The setting names a server that can never be used. The text is one line that says what to do, without
    the password."""


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
        raise IsSentinel("is a Sentinel, which stores no data")
    if role is not None and role != b"master":
        raise WrongRole(REPLICA)


def is_of_replica(error: Any) -> bool:
    """Whether the error of Redis, or its text, is a replica's refusal of a write."""
    # Within a script, Redis 6 has more before the code.
    return isinstance(error, WrongRole | ReadOnlyError) or (isinstance(error, str) and "READONLY" in error)


def words(error: str | BaseException) -> str:
    return str(error) or type(error).__name__


def _code(error: str | BaseException) -> str:
    """The code at the beginning of a Redis error, such as OOM."""
    code = getattr(error, "status_code", None)
    return code if code is not None else str(error).partition(" ")[0]


def _is_bad_database(error: str | BaseException) -> bool:
    return "DB index" in str(error)


def is_final(error: BaseException) -> bool:
    """Whether the error lasts until an operator changes the setting or the user in Redis."""
    return isinstance(error, WrongKind | AuthenticationError | NoPermissionError) or _is_bad_database(error)


def advice(error: str | BaseException) -> str:
    if isinstance(error, IsSentinel):
        return f"write {SENTINEL_FORM}"
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
