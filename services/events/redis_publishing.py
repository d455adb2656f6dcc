"""Publishes many messages in one round trip to Redis."""

import hashlib
from collections.abc import Collection, Sequence
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoPermissionError, NoScriptError

from services.events.redis_errors import check_role

# Messages, each with the number of its channels before it and their names after it. redis-py takes 15 µs for each
# command, of which a trip in the pool would need four.
_PUBLISH = """
local i = 1
while i < #ARGV do
    local channels = tonumber(ARGV[i])
    for j = i + 2, i + 1 + channels do redis.call('PUBLISH', ARGV[j], ARGV[i + 1]) end
    i = i + 2 + channels
end
"""
_PUBLISH_SHA = hashlib.sha1(_PUBLISH.encode(), usedforsecurity=False).hexdigest()

# A message, and the channels that it goes to.
Published = tuple[Sequence[str], bytes]


async def publish_all(redis: Redis, messages: Sequence[Published]) -> None:
    """Publish each message on each of its channels.

    Raises:
        WrongRole: the server is a replica, which few listen to.
        LINK_ERRORS: it did not take them in time.
    """
    try:
        await _publish_by_script(redis, messages)
    except NoScriptError:
        await redis.script_load(_PUBLISH)
        await _publish_by_script(redis, messages)
    except NoPermissionError:
        await _publish_one_by_one(redis, messages)


async def with_listeners(redis: Redis, channels: Collection[str]) -> Sequence[str]:
    """Those of the channels that any process listens to; none if the user of Redis may not ask.

    Raises: LINK_ERRORS: Redis did not answer in time.
    """
    try:
        counts = await redis.pubsub_numsub(*channels)
    except NoPermissionError:
        return ()
    return [cast("bytes", channel).decode() for channel, count in counts if count]


async def _publish_by_script(redis: Redis, messages: Sequence[Published]) -> None:
    arguments: list[str | bytes | int] = []
    for channels, message in messages:
        arguments += (len(channels), message, *channels)
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.evalsha(_PUBLISH_SHA, 0, *arguments)
        await _execute_on_primary(pipeline)


async def _publish_one_by_one(redis: Redis, messages: Sequence[Published]) -> None:
    """For a user of Redis who may not run scripts."""
    async with redis.pipeline(transaction=False) as pipeline:
        for channels, message in messages:
            for channel in channels:
                pipeline.publish(channel, message)
        await _execute_on_primary(pipeline)


async def _execute_on_primary(pipeline: Pipeline) -> None:
    # A primary may become a replica at any time: it takes events, and few hear of them.
    pipeline.execute_command("HELLO")
    check_role((await pipeline.execute())[-1])
