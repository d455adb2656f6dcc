"""The table of deliveries: what each endpoint hears of, written by the handover and claimed by the senders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.webhook import DeliveryStatus
from services.database.claims import claim_sql
from services.database.connections import Database, Source
from services.database.dialects import Row, moment, uuid
from services.events.handover import Recipient
from services.webhooks.events import TEST_TYPE, event_type_sql

# Longer than an attempt takes (see ``sender.TIMEOUT_S``). If a process dies, another one tries again afterwards.
CLAIM_S = 60
DAY_S = 24 * 3600
# How long rows are kept after their end, and the most that an endpoint has.
KEPT_S = {DeliveryStatus.DELIVERED: 3 * DAY_S, DeliveryStatus.DEAD: 30 * DAY_S}
MAX_KEPT = 100_000
# Deleted, or given up, by one statement.
AT_ONCE = 500
MAX_ANSWER_CHARS = 500


class NoSuchDelivery(Exception):
    """There is no such delivery, or it is no dead letter."""

    message = "There is no such dead letter."


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery. A test event has no trip. ``age_s``: since it was queued."""

    id: int
    endpoint_id: UUID
    trip_id: UUID | None
    version: int | None
    event_type: str
    created: datetime
    attempts: int
    age_s: float

    @property
    def webhook_id(self) -> str:
        """The same for each attempt; for a change of a trip also the same for each endpoint."""
        if self.trip_id is None:
            return f"test_{self.endpoint_id.hex}_{self.id}"
        return f"trip_{self.trip_id.hex}_{self.version}"


class Deliveries:
    """The table of deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recipient(self, wake: Callable[[], None]) -> Recipient:
        """Writes a delivery for each published change and each endpoint that hears of it."""
        # Servers of the version before leave the version out: then all changes of the trip are meant, of which
        # those that are written already stay as they are.
        changes = (
            f"SELECT c.trip_id, c.version, c.at, {event_type_sql('c')} AS event_type FROM published p "
            "JOIN trip_changes c ON c.trip_id = p.trip_id AND (c.version = p.version OR p.version IS NULL)"
        )
        return Recipient(
            wanted="EXISTS (SELECT 1 FROM webhook_endpoints WHERE disabled IS NULL)",
            insert="INSERT INTO webhook_deliveries (endpoint_id, trip_id, version, event_type, status, created, "
            "queued, due, attempts, last_answer) SELECT DISTINCT e.id, c.trip_id, c.version, c.event_type, "
            f"'{DeliveryStatus.WAITING.value}', {{begun}}, {{begun}}, {{begun}}, 0, '' FROM ({changes}) c "
            "JOIN webhook_endpoints e ON c.at >= e.begins AND (e.event_types = '' "
            "OR ' ' || e.event_types || ' ' LIKE '% ' || c.event_type || ' %') "
            "WHERE e.disabled IS NULL ON CONFLICT DO NOTHING",
            wake=wake,
        )

    async def add_test(self, source: Source, endpoint_id: UUID) -> int:
        """Queue a test event in the caller's transaction; returns its id."""
        rows = await source.fetch(
            "INSERT INTO webhook_deliveries (endpoint_id, event_type, status, created, queued, due, attempts, "
            "last_answer) VALUES ($1, $2, $3, {now}, {now}, {now}, 0, '') RETURNING id",
            endpoint_id,
            TEST_TYPE,
            DeliveryStatus.WAITING,
        )
        return rows[0]["id"]

    async def claim(self, endpoint_id: UUID, at_most: int) -> Sequence[Delivery]:
        """Take up deliveries to an endpoint that are due. No other process gets them for ``CLAIM_S``."""
        claim = claim_sql(
            self._database.sql,
            "webhook_deliveries",
            waiting=f"endpoint_id = $1 AND status = '{DeliveryStatus.WAITING.value}'",
            at_most=at_most,
            for_s=CLAIM_S,
        )
        rows = await self._database.fetch(
            f"{claim} RETURNING id, endpoint_id, trip_id, version, event_type, created, attempts, queued, "
            "{now} AS now",
            endpoint_id,
        )
        return sorted(map(_delivery, rows), key=lambda delivery: delivery.id)

    async def delivered(self, delivery: Delivery, status: int) -> None:
        """The receiver accepted it."""
        await self._end(delivery, DeliveryStatus.DELIVERED, status, "")

    async def retry(self, delivery: Delivery, *, after_s: int, status: int | None, answer: str) -> None:
        """The receiver did not accept it: try again."""
        await self._database.fetch(
            f"UPDATE webhook_deliveries SET due = {self._database.sql.ago(-after_s)}, attempted = {{now}}, "
            "last_status = $2, last_answer = $3 WHERE id = $1 AND status = $4",
            delivery.id,
            status,
            answer[:MAX_ANSWER_CHARS],
            DeliveryStatus.WAITING,
        )

    async def give_up(self, delivery: Delivery, *, status: int | None, answer: str) -> None:
        """It becomes a dead letter."""
        await self._end(delivery, DeliveryStatus.DEAD, status, answer)

    async def release(self, delivery: Delivery) -> None:
        """It was not attempted: let another process take it up."""
        await self._database.fetch(
            "UPDATE webhook_deliveries SET due = {now}, attempts = attempts - 1 WHERE id = $1 AND status = $2",
            delivery.id,
            DeliveryStatus.WAITING,
        )

    async def drop(self, delivery: Delivery) -> None:
        """Its trip was removed: there is nothing to tell."""
        await self._database.fetch("DELETE FROM webhook_deliveries WHERE id = $1", delivery.id)

    async def _end(self, delivery: Delivery, end: DeliveryStatus, status: int | None, answer: str) -> None:
        await self._database.fetch(
            "UPDATE webhook_deliveries SET status = $2, ended = {now}, attempted = {now}, last_status = $3, "
            "last_answer = $4 WHERE id = $1 AND status = $5",
            delivery.id,
            end,
            status,
            answer[:MAX_ANSWER_CHARS],
            DeliveryStatus.WAITING,
        )

    async def send_again(self, source: Source, delivery_id: int) -> UUID:
        """Queue a dead letter once more; returns the id of its endpoint.

        Raises:
            NoSuchDelivery: there is none, or it is no dead letter.
        """
        rows = await source.fetch(
            f"UPDATE webhook_deliveries SET {_AGAIN} WHERE id = $1 AND status = 'DEAD' RETURNING endpoint_id",
            delivery_id,
        )
        if not rows:
            raise NoSuchDelivery
        return uuid(rows[0]["endpoint_id"])

    async def send_some_again(self, endpoint_id: UUID, before: datetime) -> int:
        """Queue at most ``AT_ONCE`` dead letters of an endpoint that ended before that time; returns how many."""
        rows = await self._database.fetch(
            f"UPDATE webhook_deliveries SET {_AGAIN} WHERE id IN (SELECT id FROM webhook_deliveries "
            f"WHERE endpoint_id = $1 AND status = 'DEAD' AND ended <= $2 ORDER BY id LIMIT {AT_ONCE}"
            f"{self._database.sql.locked('UPDATE SKIP LOCKED')}) RETURNING id",
            endpoint_id,
            before,
        )
        return len(rows)

    async def remove_some(self, endpoint_id: UUID) -> int:
        """Delete at most ``AT_ONCE`` deliveries of an endpoint; returns how many."""
        return await self._delete("endpoint_id = $1", endpoint_id)

    async def give_up_old(self) -> int:
        """Make dead letters of what waits for endpoints that were disabled a day ago; returns how many, a few at a
        time. What waits for others is left to the senders, which try it at least once.
        """
        rows = await self._database.fetch(
            "UPDATE webhook_deliveries SET status = 'DEAD', ended = {now}, "
            "last_answer = 'the endpoint is disabled' WHERE id IN (SELECT d.id FROM webhook_deliveries d "
            "JOIN webhook_endpoints e ON e.id = d.endpoint_id "
            f"WHERE e.disabled < {self._database.sql.ago(DAY_S)} AND d.status = 'WAITING' LIMIT {AT_ONCE}"
            f"{self._database.sql.locked('UPDATE OF d SKIP LOCKED')}) RETURNING id"
        )
        return len(rows)

    async def remove_old(self) -> int:
        """Delete rows that ended long ago, and the oldest of an endpoint that has too many; returns how many."""
        removed = 0
        for status, kept_s in KEPT_S.items():
            ended = f"status = '{status.value}' AND ended < {self._database.sql.ago(kept_s)}"
            while (some := await self._delete(ended)) > 0:
                removed += some
        for row in await self._database.fetch("SELECT id FROM webhook_endpoints"):
            surplus = (
                "endpoint_id = $1 AND ended IS NOT NULL AND id <= (SELECT id FROM webhook_deliveries "
                f"WHERE endpoint_id = $1 ORDER BY id DESC LIMIT 1 OFFSET {MAX_KEPT})"
            )
            while (some := await self._delete(surplus, row["id"])) > 0:
                removed += some
        return removed

    async def waiting(self) -> float:
        """The number of deliveries that wait, except those to disabled endpoints."""
        rows = await self._database.fetch(f"SELECT count(*) AS number FROM {_WAITING}")
        return rows[0]["number"]

    async def oldest_age_s(self) -> float:
        """How long the oldest delivery has waited, in seconds; 0 when none waits."""
        rows = await self._database.fetch(f"SELECT {{now}} AS now, min(d.queued) AS oldest FROM {_WAITING}")
        oldest = rows[0]["oldest"]
        return (moment(rows[0]["now"]) - moment(oldest)).total_seconds() if oldest is not None else 0.0

    async def _delete(self, condition: str, *args: object) -> int:
        rows = await self._database.fetch(
            f"DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE {condition} "
            f"LIMIT {AT_ONCE}{self._database.sql.locked('UPDATE SKIP LOCKED')}) RETURNING id",
            *args,
        )
        return len(rows)


_AGAIN = "status = 'WAITING', ended = NULL, queued = {now}, due = {now}, attempts = 0"
_WAITING = (
    "webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id "
    "WHERE d.status = 'WAITING' AND e.disabled IS NULL"
)


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        endpoint_id=uuid(row["endpoint_id"]),
        trip_id=uuid(row["trip_id"]) if row["trip_id"] is not None else None,
        version=row["version"],
        event_type=row["event_type"],
        created=moment(row["created"]),
        attempts=row["attempts"],
        age_s=(moment(row["now"]) - moment(row["queued"])).total_seconds(),
    )
