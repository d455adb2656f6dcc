"""The rows of push messages: changes to look at, and messages to send."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.push import PushAudience
from models.standing import DriverRules
from models.trip_life import DRIVING, ChangedBy, TripStatus
from services.accounts.sessions import Sessions
from services.database.claims import claim_sql
from services.database.connections import Database, Source
from services.database.deleting import delete_all
from services.database.dialects import Row, moment, uuid
from services.drivers.conditions import may_take_trips
from services.events.handover import Recipient
from services.notifications.web_push import PushAddress
from services.trips.conditions import has_status
from services.trips.push_texts import PushedTrip, PushText

# Longer than a message takes. If a process dies, another one takes up its rows after this time.
CLAIM_S = 60
# An older change is of no use to anybody.
MAX_CHANGE_AGE_S = 900
MESSAGE_KEPT_S = 24 * 3600
# A device to which nothing could be sent for so long is forgotten.
MAX_FAILING_S = 3 * 24 * 3600


@dataclass(frozen=True, slots=True)
class DueChange:
    """A claimed change of a trip."""

    id: int
    trip_id: UUID
    is_too_old: bool


@dataclass(frozen=True, slots=True)
class News:
    """Who hears of a trip at a version. ``withdraws``: devices that have its offer are told that it is gone."""

    trip_id: UUID
    version: int
    users: Mapping[PushAudience, Sequence[UUID]]
    withdraws: bool


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A claimed message, with what it depends on as it is now. ``can_take``: whether the driver may take trips."""

    id: int
    subscription_id: int
    user_id: UUID
    trip_id: UUID
    audience: PushAudience
    version: int
    attempts: int
    told: str | None
    address: PushAddress
    is_session_live: bool
    can_take: bool
    trip: PushedTrip
    created: datetime
    expires_at: datetime | None
    now: datetime

    @property
    def age_s(self) -> float:
        """The age of the change, in seconds."""
        return (self.now - self.created).total_seconds()


class PushRows:
    """The tables of push messages."""

    def __init__(self, database: Database, sessions: Sessions, rules: DriverRules) -> None:
        self._database = database
        self._sessions = sessions
        self._sql = database.sql
        # Of the user ``u`` of a subscription.
        self._is_free = (
            f"({may_take_trips(rules, database.sql, 'u')} AND NOT EXISTS (SELECT 1 FROM trips d "
            f"WHERE d.driver_id = u.id AND {has_status(DRIVING, 'd')}))"
        )

    @staticmethod
    def recipient(wake: Callable[[], None]) -> Recipient:
        """Writes a row for each trip of which a change was published, while any device gets messages."""
        return Recipient(
            wanted="EXISTS (SELECT 1 FROM push_subscriptions)",
            insert="INSERT INTO push_changes (trip_id, created, due, attempts) "
            "SELECT DISTINCT trip_id, {begun}, {begun}, 0 FROM published WHERE trip_id IS NOT NULL",
            wake=wake,
        )

    async def claim_changes(self, at_most: int) -> Sequence[DueChange]:
        """Take up changes. No other process gets them for ``CLAIM_S``."""
        claim = claim_sql(self._sql, "push_changes", waiting="TRUE", at_most=at_most, for_s=CLAIM_S)
        rows = await self._database.fetch(
            f"{claim} RETURNING id, trip_id, created < {self._sql.ago(MAX_CHANGE_AGE_S)} AS is_too_old"
        )
        return [DueChange(row["id"], uuid(row["trip_id"]), bool(row["is_too_old"])) for row in rows]

    async def write(self, changes: Sequence[DueChange], news: Sequence[News]) -> None:
        """Write the messages about claimed changes.

        A message of an older version to the same device is replaced; one of the same version stays as it is.
        """
        async with self._database.transaction() as transaction:
            for each in news:
                if each.withdraws:
                    await self._withdraw(transaction, each.trip_id, each.version)
                for audience, user_ids in each.users.items():
                    await self._write(transaction, each.trip_id, each.version, audience, user_ids)
            await transaction.fetch(
                f"DELETE FROM push_changes WHERE {self._sql.among('id', 1)}", [change.id for change in changes]
            )

    async def _write(
        self,
        transaction: Source,
        trip_id: UUID,
        version: int,
        audience: PushAudience,
        user_ids: Sequence[UUID],
    ) -> None:
        free = f" AND {self._is_free}" if audience is PushAudience.POOL else ""
        await transaction.fetch(
            "INSERT INTO push_messages (subscription_id, trip_id, audience, version, created, due, attempts) "
            "SELECT p.id, $1, $2, $3, {now}, {now}, 0 FROM push_subscriptions p "
            "JOIN sessions s ON s.id = p.session_id JOIN users u ON u.id = s.user_id "
            f"WHERE {self._sql.among('u.id', 4)} AND {self._sessions.is_live}{free} "
            "ON CONFLICT (subscription_id, trip_id) DO UPDATE SET audience = excluded.audience, "
            "version = excluded.version, created = excluded.created, due = excluded.due, attempts = 0, "
            "settled = NULL WHERE push_messages.version < excluded.version",
            trip_id,
            audience,
            version,
            list(user_ids),
        )

    async def _withdraw(self, transaction: Source, trip_id: UUID, version: int) -> None:
        await transaction.fetch(
            "UPDATE push_messages SET version = $2, created = {now}, due = {now}, attempts = 0, settled = NULL "
            "WHERE trip_id = $1 AND audience = $3 AND version < $2 AND (told = $4 OR settled IS NULL)",
            trip_id,
            version,
            PushAudience.POOL,
            PushText.OFFER,
        )

    async def claim_messages(self, at_most: int) -> Sequence[DueMessage]:
        """Take up messages that are due, the oldest first. No other process gets them for ``CLAIM_S``."""
        claim = claim_sql(self._sql, "push_messages", waiting="settled IS NULL", at_most=at_most, for_s=CLAIM_S)
        claimed = await self._database.fetch(f"{claim} RETURNING id")
        if not claimed:
            return []
        rows = await self._database.fetch(
            "SELECT m.id, m.subscription_id, m.trip_id, m.audience, m.version, m.attempts, m.told, m.created, "
            "p.endpoint, p.p256dh, p.auth, s.user_id, {now} AS now, t.status, t.version AS trip_version, "
            "t.arrived_at, t.expires_at, t.given_back_by, c.changed_by, "
            f"({self._sessions.is_live}) AS is_session_live, {self._is_free} AS is_free "
            "FROM push_messages m JOIN push_subscriptions p ON p.id = m.subscription_id "
            "JOIN sessions s ON s.id = p.session_id JOIN users u ON u.id = s.user_id "
            "JOIN trips t ON t.id = m.trip_id "
            "LEFT JOIN trip_changes c ON c.trip_id = t.id AND c.version = t.version "
            f"WHERE {self._sql.among('m.id', 1)} ORDER BY m.id",
            [row["id"] for row in claimed],
        )
        return [_message(row) for row in rows]

    async def settle(self, message: DueMessage, told: PushText | None) -> None:
        """Nothing is left to send, unless there was another change meanwhile. ``told``: what was sent."""
        await self._database.fetch(
            "UPDATE push_messages SET told = COALESCE($2, told), settled = CASE WHEN version = $3 THEN {now} END "
            "WHERE id = $1",
            message.id,
            told,
            message.version,
        )

    async def retry(self, message: DueMessage, *, after_s: int) -> None:
        """Try again later, unless there was another change meanwhile."""
        await self._database.fetch(
            f"UPDATE push_messages SET due = {self._sql.ago(-after_s)} "
            "WHERE id = $1 AND version = $2 AND settled IS NULL",
            message.id,
            message.version,
        )

    async def works(self, subscription_id: int) -> None:
        """A message to the device was accepted."""
        await self._database.fetch(
            "UPDATE push_subscriptions SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL",
            subscription_id,
        )

    async def fails(self, subscription_id: int) -> None:
        """A message to the device was not accepted. After ``MAX_FAILING_S`` the device is forgotten."""
        await self._database.fetch(
            "UPDATE push_subscriptions SET failing_since = {now} WHERE id = $1 AND failing_since IS NULL",
            subscription_id,
        )
        await self._database.fetch(
            f"DELETE FROM push_subscriptions WHERE id = $1 AND failing_since < {self._sql.ago(MAX_FAILING_S)}",
            subscription_id,
        )

    async def forget(self, subscription_id: int) -> None:
        """The device gets no messages any more."""
        await self._database.fetch("DELETE FROM push_subscriptions WHERE id = $1", subscription_id)

    async def waiting(self) -> float:
        """The number of messages that wait to be sent."""
        rows = await self._database.fetch("SELECT count(*) AS number FROM push_messages WHERE settled IS NULL")
        return rows[0]["number"]

    async def subscriptions(self) -> float:
        """The number of devices that get messages."""
        rows = await self._database.fetch("SELECT count(*) AS number FROM push_subscriptions")
        return rows[0]["number"]

    async def remove_old(self) -> None:
        """Delete the rows of messages about changes of yesterday."""
        await delete_all(self._database, "push_messages", f"created < {self._sql.ago(MESSAGE_KEPT_S)}")


def _message(row: Row) -> DueMessage:
    user_id = uuid(row["user_id"])
    return DueMessage(
        id=row["id"],
        subscription_id=row["subscription_id"],
        user_id=user_id,
        trip_id=uuid(row["trip_id"]),
        audience=PushAudience(row["audience"]),
        version=row["version"],
        attempts=row["attempts"],
        told=row["told"],
        address=PushAddress(row["endpoint"], row["p256dh"], row["auth"]),
        is_session_live=bool(row["is_session_live"]),
        can_take=bool(row["is_free"]) and str(user_id) not in row["given_back_by"],
        trip=PushedTrip(
            status=TripStatus(row["status"]),
            version=row["trip_version"],
            has_arrived=row["arrived_at"] is not None,
            # Trips from before there was a history.
            changed_by=ChangedBy(row["changed_by"] or ChangedBy.SYSTEM),
        ),
        created=moment(row["created"]),
        expires_at=moment(row["expires_at"]) if row["expires_at"] is not None else None,
        now=moment(row["now"]),
    )
