"""Publishes many messages in one round trip to each server."""

import hashlib
from collections.abc import Collection, Sequence
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoPermissionError, NoScriptError

from services.events.redis_clients import Clients, all_of
from services.events.redis_errors import check_role

# Messages, each with the number of its channels before it and their names after it. redis-py takes 15 µs for each
# command, of which a trip in the pool would need four. The channels are no keys: while a cluster moves a slot,
# commands with new keys of the slot go to its next node, but subscribers are still at the present one.
_PUBLISH = """
local i = 1
while i < #ARGV do
    local channels = tonumber(ARGV[i])
    for j = i + 2, i + 1 + channels do redis.call('PUBLISH', ARGV[j], ARGV[i + 1]) end
    i = i + 2 + channels
end
"""

# A message, and the channels that it goes to.
Published = tuple[Sequence[str], bytes]


class _Way:
    """How to publish: ``command`` takes one channel, and so does the script for many."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.script = _PUBLISH.replace("PUBLISH", command)
        self.sha = hashlib.sha1(self.script.encode(), usedforsecurity=False).hexdigest()


_SINGLE, _SHARDED = _Way("PUBLISH"), _Way("SPUBLISH")


def publish_command(clients: Clients) -> str:
    """The command that publishes on one channel."""
    return _way(clients).command


def _way(clients: Clients) -> _Way:
    return _SHARDED if clients.is_cluster else _SINGLE


async def publish_all(clients: Clients, messages: Sequence[Published]) -> None:
    """Publish each message on each of its channels.

    Raises:
        WrongRole: a server is a replica, which few listen to.
        LINK_ERRORS: a server did not take them in time. Others may have.
    """
    way = _way(clients)
    # For each server, and there for each slot.
    at: dict[Redis, list[Sequence[Published]]] = {}
    for first_channel, some in _by_slot(clients, messages):
        at.setdefault(clients.of(first_channel), []).append(some)
    await all_of([_publish_at(client, parts, way) for client, parts in at.items()])


def _by_slot(clients: Clients, messages: Sequence[Published]) -> Sequence[tuple[str, Sequence[Published]]]:
    """The messages for the channels of each slot, in order, with one of the channels before them."""
    flat = [(channel, number) for number, (channels, _) in enumerate(messages) for channel in channels]
    if not clients.is_cluster:
        return [(flat[0][0], messages)] if flat else []
    parts: list[tuple[str, Sequence[Published]]] = []
    for group in clients.by_slot([channel for channel, _ in flat]):
        channels: dict[int, list[str]] = {}
        for position in group:
            channel, number = flat[position]
            channels.setdefault(number, []).append(channel)
        parts.append((flat[group[0]][0], [(some, messages[number][1]) for number, some in channels.items()]))
    return parts


async def with_listeners(clients: Clients, channels: Collection[str]) -> Sequence[str]:
    """Those of the channels that any process listens to; none if the user of Redis may not ask.

    Raises: LINK_ERRORS: Redis did not answer in time.
    """
    at: dict[Redis, list[str]] = {}
    for channel in channels:
        at.setdefault(clients.of(channel), []).append(channel)
    count = Redis.pubsub_shardnumsub if clients.is_cluster else Redis.pubsub_numsub
    try:
        counts = await all_of([count(client, *some) for client, some in at.items()])
    except NoPermissionError:
        return ()
    return [cast("bytes", channel).decode() for some in counts for channel, number in some if number]


async def _publish_at(client: Redis, parts: Sequence[Sequence[Published]], way: _Way) -> None:
    is_cluster = way is _SHARDED
    try:
        await _publish_by_script(client, parts, way.sha, is_cluster=is_cluster)
    except NoScriptError:
        await client.script_load(way.script)
        await _publish_by_script(client, parts, way.sha, is_cluster=is_cluster)
    except NoPermissionError:
        await _publish_one_by_one(client, parts, way.command, is_cluster=is_cluster)


async def _publish_by_script(
    client: Redis, parts: Sequence[Sequence[Published]], sha: str, *, is_cluster: bool
) -> None:
    async with client.pipeline(transaction=False) as pipeline:
        for messages in parts:
            arguments: list[str | bytes | int] = []
            for channels, message in messages:
                arguments += (len(channels), message, *channels)
            pipeline.evalsha(sha, 0, *arguments)
        await _execute_on_primary(pipeline, is_cluster=is_cluster)


async def _publish_one_by_one(
    client: Redis, parts: Sequence[Sequence[Published]], command: str, *, is_cluster: bool
) -> None:
    """For a user of Redis who may not run scripts."""
    async with client.pipeline(transaction=False) as pipeline:
        for messages in parts:
            for channels, message in messages:
                for channel in channels:
                    pipeline.execute_command(command, channel, message)
        await _execute_on_primary(pipeline, is_cluster=is_cluster)


async def _execute_on_primary(pipeline: Pipeline, *, is_cluster: bool) -> None:
    # A primary may become a replica at any time: it takes events, and few hear of them.
    pipeline.execute_command("HELLO")
    check_role((await pipeline.execute())[-1], is_cluster=is_cluster)
