"""What every subscription returns."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from schema.api.context import Info
from services.live.feeds import Feed

ToEvent = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class FeedStream:
    """A feed, and the GraphQL form of what it sends (``to_event``).

    The transports follow the feed on the hub, and share what they execute. graphql-core only demands that the
    source of a subscription can be iterated: nothing does.
    """

    feed: Feed
    to_event: ToEvent

    def __aiter__(self) -> AsyncIterator[object]:
        """Part of what graphql-core demands."""
        raise NotImplementedError("a transport follows the feed")


async def follow(feed: Feed, to_event: ToEvent, info: Info) -> Any:
    """The answer of a subscription's resolver, whatever Strawberry has to read as its type: a FeedStream.

    Raises:
        RateLimited: the caller begins subscriptions too often.
    """
    await info.context.services.subscribing.count(feed.actor)
    return FeedStream(feed, to_event)
