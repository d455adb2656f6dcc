"""Connections to Redis: each checks which kind of server it leads to, and its role."""

from functools import partial

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.connection import HiredisRespSerializer
from redis.exceptions import RedisError

from services.events.redis_errors import check_kind, check_role
from services.events.redis_target import Target

_SERIALIZER = HiredisRespSerializer()


def client(
    target: Target, *, timeout_s: float, max_connections: int, is_cluster: bool, any_role: bool = False
) -> Redis:
    """A client of the server to which the target leads. ``any_role``: a replica will do."""
    return Redis.from_pool(
        target.pool(
            # RESP2: on a connection that only listens, every reply is one of a few arrays.
            protocol=2,
            retry=None,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            max_connections=max_connections,
            redis_connect_func=partial(_connect, is_cluster=is_cluster, any_role=any_role),
        )
    )


async def _connect(connection: AbstractConnection, *, is_cluster: bool, any_role: bool) -> None:
    """Run redis-py's set-up of a connection, then check the kind and the role of the server."""
    # Commands are packed in C. redis-py does so for its blocking client only; in Python it takes 1 µs an argument.
    connection.pack_command = _SERIALIZER.pack  # pyright: ignore[reportAttributeAccessIssue]
    await connection.on_connect()
    await connection.send_command("HELLO", check_health=False)
    try:
        hello = await connection.read_response(disable_decoding=True)
    except RedisError as error:
        hello = error
    if any_role:
        check_kind(hello, is_cluster=is_cluster)
    else:
        check_role(hello, is_cluster=is_cluster)
