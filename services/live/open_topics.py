"""The topics that this process listens to."""

from services.live.topic import Delivering, Listen, Topic, TopicState
from services.runtime.tasks import cancel_and_wait


class OpenTopics:
    """Topics by name."""

    def __init__(self, listen: Listen, delivering: Delivering, *, linger_s: float) -> None:
        self._listen = listen
        self._delivering = delivering
        self._linger_s = linger_s
        self._topics: dict[str, Topic] = {}

    def __len__(self) -> int:
        return len(self._topics)

    @property
    def waiting(self) -> int:
        """The number of messages of all topics that are not delivered yet."""
        return sum(topic.waiting for topic in self._topics.values())

    def has(self, topic: Topic) -> bool:
        """Whether the topic is still registered: it has neither failed nor been closed."""
        return self._topics.get(topic.name) is topic

    def flowing(self, name: str) -> Topic | None:
        """The topic, if its messages already arrive; otherwise None."""
        topic = self._topics.get(name)
        return topic if topic is not None and topic.state in (TopicState.OPEN, TopicState.LINGERING) else None

    def enter_at_once(self, name: str) -> Topic | None:
        """Enter a topic whose messages already arrive; None if they do not."""
        topic = self.flowing(name)
        if topic is not None:
            topic.enter()
        return topic

    async def enter(self, name: str) -> Topic:
        """Enter a topic after the broker has confirmed it; opens it if needed."""
        while (topic := self._topics.get(name)) is not None and topic.state is TopicState.CLOSING:
            # broadcaster loses a subscription that begins while another ends.
            await topic.closed()
        if topic is None:
            topic = self._topics[name] = Topic(name, self._delivering, linger_s=self._linger_s)
            topic.open(self._listen, self._remove)
        topic.enter()
        try:
            await topic.confirmed()
        except BaseException:
            topic.leave()
            raise
        return topic

    async def close(self) -> None:
        """Close all topics."""
        listeners = [topic.listener for topic in self._topics.values()]
        for topic in list(self._topics.values()):
            topic.close()
        await cancel_and_wait([listener for listener in listeners if listener is not None])

    def _remove(self, topic: Topic) -> None:
        if self.has(topic):
            del self._topics[topic.name]
