"""What a heartbeat tests."""

from collections.abc import Collection

from services.events.redis_clients import Clients
from services.events.redis_errors import REPLICA, WrongRole, check_role, is_of_replica
from services.events.redis_nodes import Node
from services.events.redis_publishing import publish_command

# The lifetime of the key that tests whether Redis accepts writes.
PROBE_TTL_MS = 10_000

# A script, because positions and rates are also written by scripts.
_PROBE = "return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])"


async def probe(clients: Clients, server: Node | None, heartbeats: Collection[str]) -> Exception | None:
    """Publish heartbeats of a server's part of the names, and test its role and writes in the same round trip.

    Returns why Redis takes no writes, or None.

    Raises:
        WrongRole, WrongKind: the server's role has changed, or a proxy leads to a replica.
        RedisError, OSError: it does not answer, or a heartbeat was not published.
    """
    async with clients.at(server).pipeline(transaction=False) as pipeline:
        for name in heartbeats:
            pipeline.execute_command(publish_command(clients), name, b"")
            pipeline.eval(_PROBE, 1, name, str(PROBE_TTL_MS))
        pipeline.execute_command("HELLO")
        *answers, hello = await pipeline.execute(raise_on_error=False)
    check_role(hello, is_cluster=clients.is_cluster)
    published, written = answers[::2], answers[1::2]
    for answer in published:
        if isinstance(answer, Exception):
            raise answer
    if any(map(is_of_replica, written)):
        raise WrongRole(REPLICA)
    return next((answer for answer in written if isinstance(answer, Exception)), None)
