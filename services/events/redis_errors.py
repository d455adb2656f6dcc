"""What Redis answers when it is not the server that this process needs, and what an operator can do."""

from collections.abc import Mapping
from typing import Any

from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
)

from services.events.redis_address import SENTINEL_FORM

SETTING = "TAXIRANK_REDIS_URL"

LINK_ERRORS = (RedisError, OSError, TimeoutError)

REPLICA = "is a read-only replica"


class WrongRole(ConnectionError):
    """A replica: it refuses writes, and what is published on it reaches only its own listeners."""


class WrongKind(ConnectionError):
    """A server that can never be used. ``remedy``: what to do about it."""

    def __init__(self, text: str, remedy: str = "use a single Redis (version 6 or newer) or Valkey") -> None:
        super().__init__(text)
        self.remedy = remedy


class ClusterDown(ConnectionError):
    """A Redis Cluster that works in no part, or not in a part that is needed."""


class SlotMoved(ConnectionError):
    """Another node of the cluster has a slot now."""

    def __init__(self) -> None:
        super().__init__("the cluster has moved a slot to another node")


class UnusableRedis(Exception):
    """The setting names a server that can never be used. The text is one line that says what to do, without
    the password."""


def check_role(hello: Any, *, is_cluster: bool = False) -> None:
    """Check by the answer to HELLO that the server is a primary, and of a cluster or not.

    HELLO has the same information as ROLE, is allowed to every user, and also shows clusters.

    Raises:
        WrongRole, WrongKind
        RedisError: what Redis answered instead.
    """
    fields = check_kind(hello, is_cluster=is_cluster)
    role = fields.get(b"role")
    if role is not None and role != b"master":
        raise WrongRole(REPLICA)


def check_kind(hello: Any, *, is_cluster: bool) -> Mapping[bytes, Any]:
    """Check by the answer to HELLO that the server is of a cluster or not; returns its fields.

    Raises: as ``check_role``, except WrongRole.
    """
    if isinstance(hello, RedisError):
        if "unknown command" in str(hello).lower():
            raise WrongKind("is older than Redis 6 (it does not know HELLO)")
        raise hello
    fields = dict(zip(hello[::2], hello[1::2], strict=False))
    mode = fields.get(b"mode")
    if mode == b"sentinel":
        raise WrongKind("is a Sentinel, which stores no data", f"write {SENTINEL_FORM}")
    if mode == b"cluster" and not is_cluster:
        raise WrongKind(
            "is a node of a Redis Cluster, which has only a part of the keys",
            "for a cluster write redis+cluster://HOST:PORT,HOST:PORT (rediss+cluster:// with TLS)",
        )
    if is_cluster and mode != b"cluster":
        raise WrongKind("is no node of a Redis Cluster", "for a single Redis write redis:// (rediss:// with TLS)")
    version = fields.get(b"version", b"")
    if is_cluster and version[:2] in {b"5.", b"6."}:
        raise WrongKind(
            "is older than Redis 7, which its clusters need for sharded publish/subscribe", "update the cluster"
        )
    return fields


def is_of_moved_slot(error: Any) -> bool:
    """Whether the error of Redis, or its text, says that another node has the slot."""
    # The second is of scripts without keys.
    return isinstance(error, SlotMoved | MovedError) or "access a non local key" in str(error)


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
    if isinstance(error, WrongKind):
        return error.remedy
    if is_of_moved_slot(error):
        return "nothing: the server finds the slot again"
    if isinstance(error, ClusterDown):
        return f"bring its nodes back, or correct {SETTING}"
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
    "TRYAGAIN": "wait until the cluster has moved its slots",
    "ASK": "wait until the cluster has moved its slots",
    "CLUSTERDOWN": "bring the nodes of the cluster back",
    "LOADING": "wait until it has loaded its data",
}
