"""The worker that sends push messages about trips."""

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from models.geo import distance_m
from models.push import PushAudience
from models.trip_life import is_open
from models.values import TripValue
from models.visibility import may_take
from services.database.connections import Database
from services.errors import DatabaseUnavailable
from services.events.bus import Bus
from services.events.topics import Topics
from services.limits.sparse_log import SparseLog
from services.notifications import web_push
from services.notifications.outgoing import AddressRefused, NoAnswer
from services.notifications.web_push import PushDeferred, PushRefused, SubscriptionGone, WebPush
from services.positions.reporting import Positions
from services.runtime.counters import Counters
from services.runtime.expiring_map import ExpiringMap
from services.runtime.tasks import cancel_and_wait, keep_running
from services.runtime.waits import until_woken
from services.trips import rows as trip_rows
from services.trips.push_rows import DueMessage, News, PushRows
from services.trips.push_texts import PushText, is_urgent, text_for, ttl_s

_log = structlog.stdlib.get_logger(__name__)

# How often each process looks for messages of others, and for those to try again.
LOOK_INTERVAL_S = 5.0
CHANGES_AT_ONCE = 20
# Messages under way in this process, and those of them to one push service.
MAX_UNDER_WAY = 32
MAX_TO_A_HOST = 16
# The process listens to a topic for some seconds after a socket has closed, so it asks twice.
ASK_AGAIN_S = 5
FIRST_RETRY_S = 5
LONGEST_RETRY_S = 900
# A push service that fails is left alone for the first pause, then twice as long each time.
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
MAX_HOSTS = 1000
STOP_TIMEOUT_S = 1.0


class PushWorker:
    """Tells devices about trips: finds who hears of a change, and sends them messages.

    Each message is sent at least once, or not at all if it is of no more use by then. Its text is decided when it
    is sent, so a device that was away hears of the current state alone. A person who follows the trip on a live
    socket, in any process, gets none. Push services that hang or fail delay only their own messages.
    """

    def __init__(
        self,
        database: Database,
        rows: PushRows,
        push: WebPush | None,
        positions: Positions,
        bus: Bus,
        topics: Topics,
        counters: Counters,
        *,
        radius_m: float,
    ) -> None:
        """``push``: None: it sends nothing. ``radius_m``: within which trips are offered."""
        self._database = database
        self._rows = rows
        self._push = push
        self._positions = positions
        self._bus = bus
        self._topics = topics
        self._counters = counters
        self._radius_m = radius_m
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._sending: set[asyncio.Task[None]] = set()
        self._to_hosts: Counter[str] = Counter()
        # For each push service that has failed: the failures in a row, and until when it is left alone.
        self._pauses = ExpiringMap[str, tuple[int, float]](MAX_HOSTS)
        self._sparse_log = SparseLog(__name__)

    def wake(self) -> None:
        """There is a new change."""
        self._woken.set()

    async def start(self) -> None:
        """Begin to send."""
        if self._push is None:
            return
        self._tasks = [asyncio.create_task(keep_running("push", self._work, self._counters))]

    async def stop(self) -> None:
        """Stop after the messages under way, or after ``STOP_TIMEOUT_S``; another process sends the others."""
        await cancel_and_wait(self._tasks)
        if self._sending:
            await asyncio.wait(self._sending, timeout=STOP_TIMEOUT_S)
        await cancel_and_wait(self._sending)

    async def _work(self) -> None:
        while True:
            await until_woken(self._woken, at_most_s=LOOK_INTERVAL_S)
            try:
                await self._find_recipients()
                await self._send_due()
            except DatabaseUnavailable as error:
                _log.warning("push messages wait for the database", error=str(error))
            except Exception:
                _log.exception("sending push messages failed")

    async def run_once(self) -> None:
        """Work on all that is due, and wait until it is sent."""
        await self._find_recipients()
        await self._send_due()
        while self._sending:
            await asyncio.wait(self._sending)

    # Who hears of a change

    async def _find_recipients(self) -> None:
        while changes := await self._rows.claim_changes(CHANGES_AT_ONCE):
            too_old = sum(change.is_too_old for change in changes)
            self._counters.pushes_dropped += too_old
            read = await trip_rows.find_all(
                self._database, list({change.trip_id for change in changes if not change.is_too_old})
            )
            await self._rows.write(changes, [await self._news_of(trip) for trip in read.trips])

    async def _news_of(self, trip: TripValue) -> News:
        users: dict[PushAudience, Sequence[UUID]] = {PushAudience.RIDER: [trip.rider.id]}
        if trip.driver is not None:
            users[PushAudience.DRIVER] = [trip.driver.id]
        if is_open(trip.status):
            users[PushAudience.POOL] = await self._drivers_near(trip)
        return News(trip.id, trip.version, users, withdraws=not is_open(trip.status))

    async def _drivers_near(self, trip: TripValue) -> list[UUID]:
        """The nearest drivers within the radius who have not given the trip back; none without coordinates."""
        pick_up = trip.pick_up
        if pick_up is None:
            return []
        return [
            location.driver_id
            for location in await self._positions.last_near(pick_up, self._radius_m)
            if distance_m(location.point, pick_up) <= self._radius_m and may_take(location.driver_id, trip)
        ]

    # Sending

    async def _send_due(self) -> None:
        while (free := MAX_UNDER_WAY - len(self._sending)) > 0:
            messages = await self._rows.claim_messages(free)
            if not messages:
                return
            followed = await self._bus.followed({self._topic_of(message) for message in messages})
            for message in messages:
                task = asyncio.create_task(self._treat(message, followed), name="push message")
                self._sending.add(task)
                task.add_done_callback(self._is_done)

    def _is_done(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        # There is room for the next.
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a push message failed", exc_info=error)

    def _topic_of(self, message: DueMessage) -> str:
        """The topic that a person follows who has the news on a live socket."""
        is_offer = message.audience is PushAudience.POOL
        return self._topics.driver(message.user_id) if is_offer else self._topics.user(message.user_id)

    async def _treat(self, message: DueMessage, followed: Collection[str]) -> None:
        text = None
        if message.is_session_live:
            text = text_for(message.audience, message.trip, can_take=message.can_take, told=message.told)
        if text is None:
            await self._rows.settle(message, None)
            return
        left_s = ttl_s(text, age_s=message.age_s, expires_at=message.expires_at, now=message.now)
        # The end of an offer that the device shows is told in any case.
        if self._topic_of(message) in followed and text is not PushText.OFFER_GONE:
            if message.attempts == 1:
                await self._rows.retry(message, after_s=ASK_AGAIN_S)
                return
            left_s = 0
        if left_s == 0:
            self._counters.pushes_dropped += 1
            await self._rows.settle(message, None)
            return
        await self._send_if_possible(message, text, left_s)

    async def _send_if_possible(self, message: DueMessage, text: PushText, left_s: int) -> None:
        host = urlsplit(message.address.endpoint).netloc
        now = asyncio.get_running_loop().time()
        _, quiet_until = self._pauses.get(host, now_s=now) or (0, now)
        if quiet_until > now or self._to_hosts[host] >= MAX_TO_A_HOST:
            await self._rows.retry(message, after_s=max(1, round(quiet_until - now)))
            return
        self._to_hosts[host] += 1
        try:
            await self._send(message, text, left_s, host)
        finally:
            self._to_hosts[host] -= 1
            if not self._to_hosts[host]:
                del self._to_hosts[host]

    async def _send(self, message: DueMessage, text: PushText, left_s: int, host: str) -> None:
        content = {"text": text, "tripId": str(message.trip_id)}
        topic = web_push.topic_of(message.trip_id)
        assert self._push is not None, "otherwise it was not started"
        try:
            await self._push.send(
                message.address,
                web_push.PushText(content, ttl_s=left_s, topic=topic, is_urgent=is_urgent(text)),
            )
        except (SubscriptionGone, AddressRefused):
            self._counters.pushes_dropped += 1
            await self._rows.forget(message.subscription_id)
        except PushRefused as error:
            self._counters.pushes_failed += 1
            self._sparse_log.warning("a push service refused a message", host=host, reason=str(error))
            await self._rows.settle(message, None)
        except (PushDeferred, NoAnswer) as error:
            self._counters.pushes_failed += 1
            self._sparse_log.warning("a push service took no message", host=host, reason=str(error))
            asked_s = error.retry_after_s if isinstance(error, PushDeferred) else None
            if not isinstance(error, PushDeferred) or error.is_of_service:
                self._pause(host)
            await self._rows.fails(message.subscription_id)
            await self._rows.retry(message, after_s=_retry_s(message.attempts, asked_s))
        else:
            self._counters.pushes_sent += 1
            self._pauses.discard(host)
            await self._rows.settle(message, text)
            await self._rows.works(message.subscription_id)

    def _pause(self, host: str) -> None:
        now = asyncio.get_running_loop().time()
        failures, quiet_until = self._pauses.get(host, now_s=now) or (0, now)
        if quiet_until > now:
            # It failed before the pause began.
            return
        pause_s = min(FIRST_PAUSE_S * 2 ** min(failures, 10), LONGEST_PAUSE_S)
        # Remembered for a while after the pause, so that the next one is longer.
        until_s = now + pause_s + LONGEST_PAUSE_S
        self._pauses.put(host, (failures + 1, now + pause_s), until_s=until_s, now_s=now)


def _retry_s(attempts: int, asked_s: int | None) -> int:
    """After how many seconds a message is tried again: what the push service asked for, within bounds, or twice as
    long each time.
    """
    back_off_s = FIRST_RETRY_S * 2 ** min(attempts - 1, 10) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
    return round(min(max(asked_s or 0, back_off_s), LONGEST_RETRY_S))
