"""The return value of subscription resolvers."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from models.frozen import frozen
from schema.api.context import Info
from services.live.feeds import Feed

ToEvent = Callable[[Any], object]


@frozen
class FeedStream:
    """A feed, and the function ``to_event`` that converts its messages to GraphQL objects.

    The transports follow the feed on the hub, and share executions between subscribers. graphql-core requires an
    async iterator here, but nobody iterates it.
    """

    feed: Feed
    to_event: ToEvent

    def __aiter__(self) -> AsyncIterator[object]:
        """Required by graphql-core; never called."""
        raise NotImplementedError("a transport follows the feed")


async def follow(feed: Feed, to_event: ToEvent, info: Info) -> Any:
    """The FeedStream that a subscription's resolver returns; Any, because Strawberry expects an iterator.

    Raises:
        RateLimited: the caller begins subscriptions too often.
    """
    await info.context.services.subscribing.count(feed.actor)
    return FeedStream(feed, to_event)
