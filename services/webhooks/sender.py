"""The worker that sends webhooks."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from uuid import UUID

import structlog

from models.webhook import DisabledBy
from services.database.connections import Database
from services.errors import DatabaseUnavailable
from services.notifications.outgoing import AddressRefused, Answer, NoAnswer, OutgoingClient
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait, keep_running, log_failure
from services.runtime.waits import until_woken
from services.webhooks.deliveries import CLAIM_S, DAY_S, Deliveries, Delivery
from services.webhooks.endpoints import Endpoints, NoSuchEndpoint, Target
from services.webhooks.events import payload, trips_at
from services.webhooks.signing import signed_headers

_log = structlog.stdlib.get_logger(__name__)

# Of one attempt. The specification recommends 15 to 30 s.
TIMEOUT_S = 20.0
# How often each process looks for deliveries that other processes wrote, and for those to try again.
LOOK_INTERVAL_S = 3.0
PAUSE_S = 0.05
# Attempts at once to one endpoint, in each process. The number of endpoints is bounded too, so that none has to
# wait for a place that another one holds.
AT_ONCE = 4
# The wait after each failed attempt, by the schedule of the specification; the last attempt is after a day.
RETRY_S = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
JITTER = 0.1
# What a receiver asks for with Retry-After counts up to this time.
MAX_RETRY_AFTER_S = 3600
GONE = 410
# Receivers that are overloaded are left alone for a while, even if they do not ask for it.
OVERLOADED = frozenset({429, 502, 503, 504})
QUIET_S = 10
TEND_INTERVAL_S = 600.0
# How long webhooks under way may take when the server stops.
STOP_TIMEOUT_S = 1.0

assert 2 * TIMEOUT_S < CLAIM_S


@dataclass(frozen=True, slots=True)
class _Serving:
    """The task that sends to one endpoint; it looks for more when ``look_again`` is set."""

    task: asyncio.Task[None]
    look_again: asyncio.Event


class WebhookSender:
    """Sends the webhooks of all processes.

    Each is sent at least once, unless its receiver accepts it neither now nor within a day: then it becomes a dead
    letter. It can come twice, with the same id. The order is not kept. A receiver that is slow, hangs or fails
    delays its own webhooks only, and of these none while fewer than ``AT_ONCE`` hang. Only those under way are in
    memory.
    """

    def __init__(
        self,
        database: Database,
        endpoints: Endpoints,
        deliveries: Deliveries,
        client: OutgoingClient,
        counters: Counters,
    ) -> None:
        self._database = database
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._client = client
        self._counters = counters
        self._added = asyncio.Event()
        self._worker: list[asyncio.Task[None]] = []
        # The endpoints that something is being sent to.
        self._serving: dict[UUID, _Serving] = {}
        self._is_stopping = False

    def wake(self) -> None:
        """Call this after the commit of a delivery: this process looks for it now."""
        self._added.set()

    async def start(self) -> None:
        """Begin to send."""
        self._worker = [asyncio.create_task(keep_running("webhooks", self._work, self._counters))]

    async def stop(self) -> None:
        """Stop after the webhooks under way, or after ``STOP_TIMEOUT_S``; other processes send the others."""
        self._is_stopping = True
        await cancel_and_wait(self._worker)
        if serving := self._under_way():
            await asyncio.wait(serving, timeout=STOP_TIMEOUT_S)
            await cancel_and_wait(serving)
        self._is_stopping = False

    async def _work(self) -> None:
        while True:
            await until_woken(self._added, at_most_s=LOOK_INTERVAL_S)
            try:
                await self._look()
            except DatabaseUnavailable as error:
                _log.warning("webhooks wait for the database", error=str(error))
            # What comes meanwhile is found together.
            await asyncio.sleep(PAUSE_S)

    async def send_due(self) -> None:
        """Send all that is due, and return when every endpoint has got its own or failed."""
        await self._look()
        while serving := self._under_way():
            await asyncio.wait(serving)

    def _under_way(self) -> list[asyncio.Task[None]]:
        return [serving.task for serving in self._serving.values()]

    async def _look(self) -> None:
        for endpoint_id in await self._endpoints.with_due():
            serving = self._serving.get(endpoint_id)
            if serving is not None and not serving.task.done():
                # It may have free places, however long those hang that it sends.
                serving.look_again.set()
            else:
                self._begin(endpoint_id)

    def _begin(self, endpoint_id: UUID) -> None:
        look_again = asyncio.Event()
        task = asyncio.create_task(self._serve(endpoint_id, look_again), name="webhooks to an endpoint")
        self._serving[endpoint_id] = serving = _Serving(task, look_again)
        task.add_done_callback(log_failure)

        def ended(_: asyncio.Task[None]) -> None:
            # Perhaps another one has begun since the last line of this one.
            if self._serving[endpoint_id] is serving:
                del self._serving[endpoint_id]

        task.add_done_callback(ended)

    async def _serve(self, endpoint_id: UUID, look_again: asyncio.Event) -> None:
        """Send to one endpoint until nothing is due. ``look_again``: a place is free, or something is due."""
        sending: set[asyncio.Task[None]] = set()
        try:
            while True:
                look_again.clear()
                for task in [task for task in sending if task.done()]:
                    sending.discard(task)
                    task.result()
                for task in await self._begin_some(endpoint_id, AT_ONCE - len(sending)):
                    sending.add(task)
                    task.add_done_callback(lambda _: look_again.set())
                if not sending and not look_again.is_set():
                    return
                await look_again.wait()
        except DatabaseUnavailable as error:
            # What is claimed is tried again after CLAIM_S.
            _log.warning("webhooks wait for the database", error=str(error))
        finally:
            await cancel_and_wait(sending)

    async def _begin_some(self, endpoint_id: UUID, at_most: int) -> set[asyncio.Task[None]]:
        if self._is_stopping or at_most == 0:
            return set()
        # Each time anew: it may have been disabled, or its secret rotated.
        target = await self._endpoints.target(endpoint_id)
        if target is None:
            return set()
        claimed = await self._deliveries.claim(endpoint_id, at_most)
        bodies = await self._bodies(claimed)
        return {
            asyncio.create_task(self._send(target, delivery, body), name="webhook")
            for delivery, body in zip(claimed, bodies, strict=True)
        }

    async def _bodies(self, claimed: Sequence[Delivery]) -> Sequence[bytes | None]:
        """The payload of each; None if its trip was removed."""
        asked = [
            (delivery.trip_id, delivery.version)
            for delivery in claimed
            if delivery.trip_id is not None and delivery.version is not None
        ]
        trips = await trips_at(self._database, asked)
        bodies: list[bytes | None] = []
        for delivery in claimed:
            if delivery.trip_id is None or delivery.version is None:
                data = {"endpointId": str(delivery.endpoint_id)}
                bodies.append(payload(delivery.event_type, delivery.created, data))
            else:
                trip = trips.get((delivery.trip_id, delivery.version))
                bodies.append(payload(delivery.event_type, trip.at, trip.data) if trip is not None else None)
        return bodies

    async def _send(self, target: Target, delivery: Delivery, body: bytes | None) -> None:
        if body is None:
            await self._deliveries.drop(delivery)
            return
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Taxirank",
            **signed_headers(target.secrets, delivery.webhook_id, int(time.time()), body),
        }
        try:
            answer = await self._client.post(target.url, headers=headers, body=body)
        except (AddressRefused, NoAnswer) as error:
            await self._failed(target, delivery, None, str(error))
            return
        except Exception:
            # Counted as an attempt: otherwise it would be tried for ever, before all others.
            _log.exception("sending a webhook failed", webhook=delivery.webhook_id)
            await self._failed(target, delivery, None, "the server failed: its log says why")
            return
        if not answer.is_success:
            await self._failed(target, delivery, answer, _text(answer.body))
            return
        self._counters.webhooks_delivered += 1
        await self._deliveries.delivered(delivery, answer.status)
        if target.has_failed:
            await self._endpoints.works(target.endpoint_id)
            _log.info("an endpoint accepts webhooks again", endpoint=str(target.endpoint_id))

    async def _failed(self, target: Target, delivery: Delivery, answer: Answer | None, text: str) -> None:
        self._counters.webhooks_failed += 1
        status = answer.status if answer is not None else None
        if not target.has_failed:
            await self._endpoints.fails(target.endpoint_id)
        if status == GONE:
            await self._gone(target.endpoint_id)
        asked_s = _retry_after_s(answer) if answer is not None else None
        if asked_s is not None or status in OVERLOADED:
            await self._endpoints.leave_alone(target.endpoint_id, asked_s or QUIET_S)
        wait_s = _wait_s(delivery, asked_s or 0)
        if wait_s is None or status == GONE:
            self._counters.webhooks_given_up += 1
            _log.warning(
                "a webhook was given up",
                endpoint=str(target.endpoint_id),
                webhook=delivery.webhook_id,
                status=status,
            )
            await self._deliveries.give_up(delivery, status=status, answer=text)
        else:
            await self._deliveries.retry(delivery, after_s=wait_s, status=status, answer=text)

    async def _gone(self, endpoint_id: UUID) -> None:
        with suppress(NoSuchEndpoint):
            await self._endpoints.disable(self._database, endpoint_id, DisabledBy.GONE)
            _log.warning("an endpoint is disabled: its receiver answered 410", endpoint=str(endpoint_id))

    async def tend(self) -> None:
        """Disable endpoints that have failed for days, and end what is too old. For a periodic job."""
        for endpoint in await self._endpoints.disable_failing():
            _log.warning("an endpoint is disabled: it has failed for days", endpoint=str(endpoint.id))
        while (given_up := await self._deliveries.give_up_old()) > 0:
            self._counters.webhooks_given_up += given_up
        await self._deliveries.remove_old()


def _wait_s(delivery: Delivery, asked_s: int) -> int | None:
    """How long to wait after a failed attempt; None: it was the last one."""
    left_s = int(DAY_S - delivery.age_s)
    if delivery.attempts > len(RETRY_S) or left_s <= 0:
        return None
    planned_s = RETRY_S[delivery.attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    return min(max(round(planned_s), asked_s), left_s)


def _retry_after_s(answer: Answer) -> int | None:
    """What the receiver asks for, within bounds; None if it does not ask, or not in the form of RFC 9110."""
    wanted_s: float | None = answer.retry_after_s
    if wanted_s is None:
        try:
            at = parsedate_to_datetime(answer.headers.get("retry-after", ""))
        except (ValueError, OverflowError):
            return None
        # All dates of HTTP are in UTC; the form of asctime does not say so.
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        wanted_s = (at - datetime.now(UTC)).total_seconds()
    return min(max(round(wanted_s), 1), MAX_RETRY_AFTER_S)


def _text(body: bytes) -> str:
    """An answer as staff see it: one line without control characters."""
    text = body.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
