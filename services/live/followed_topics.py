"""The topics of one follower."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from services.live.open_topics import OpenTopics
from services.live.topic import Follower, ListeningEnded, Topic


class FollowedTopics:
    """Enters topics for a follower, all confirmed by the broker, and leaves them again.

    After ``stop`` the follower receives no events; the topics stay entered until ``leave``. Each call takes the
    follower as an argument, because storing it here would be a reference cycle.
    """

    __slots__ = ("_has_stopped", "_open_topics", "_topics")

    def __init__(self, open_topics: OpenTopics) -> None:
        self._open_topics = open_topics
        self._topics: dict[str, Topic] = {}
        self._has_stopped = False

    def __len__(self) -> int:
        return len(self._topics)

    async def follow(self, follower: Follower, wanted: Collection[str]) -> Collection[Topic]:
        """Follow these topics; returns the followed topics that are not among them.

        Raises:
            ListeningEnded: a topic failed while the others were being opened.
            Exception: an error of the broker.
        """
        missing: list[str] = []
        for name in wanted:
            if name in self._topics:
                continue
            topic = self._open_topics.enter_at_once(name)
            if topic is not None:
                self._attach(follower, topic)
            else:
                missing.append(name)
        if len(missing) == 1:
            self._attach_all(follower, [await self._open_topics.enter(missing[0])])
        elif missing:
            entering = [asyncio.ensure_future(self._open_topics.enter(name)) for name in missing]
            try:
                await asyncio.gather(*entering)
            except BaseException:
                for each in entering:
                    each.add_done_callback(_leave_entered)
                    each.cancel()
                raise
            self._attach_all(follower, [each.result() for each in entering])
        if len(wanted) == len(self._topics):
            return ()
        return [topic for name, topic in self._topics.items() if name not in wanted]

    def drop(self, follower: Follower, topics: Collection[Topic]) -> None:
        """Stop following these topics."""
        for topic in topics:
            del self._topics[topic.name]
            topic.followers.pop(follower, None)
            topic.leave()

    def stop(self, follower: Follower) -> None:
        """Receive no more events; the topics stay entered."""
        self._has_stopped = True
        for topic in self._topics.values():
            topic.followers.pop(follower, None)

    def leave(self) -> None:
        """Leave all topics."""
        topics, self._topics = self._topics, {}
        for topic in topics.values():
            topic.leave()

    def have_delivered(self, trip_id: UUID, *, since: datetime) -> bool:
        """Whether an earlier event of the trip, newer than ``since``, may have come."""
        return any(topic.delivered.earlier_as_of(trip_id) > since for topic in self._topics.values())

    def _attach_all(self, follower: Follower, topics: Sequence[Topic]) -> None:
        for topic in topics:
            if not self._open_topics.has(topic):
                # The topic failed while the others were being confirmed: no event would ever come on it.
                for each in topics:
                    each.leave()
                raise ListeningEnded(topic.name)
        for topic in topics:
            self._attach(follower, topic)

    def _attach(self, follower: Follower, topic: Topic) -> None:
        if self._has_stopped:
            topic.leave()
        else:
            self._topics[topic.name] = topic
            topic.followers[follower] = None


def _leave_entered(entering: "asyncio.Future[Topic]") -> None:
    if not entering.cancelled() and entering.exception() is None:
        entering.result().leave()
