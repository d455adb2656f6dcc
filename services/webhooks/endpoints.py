"""The table of endpoints: the addresses of other systems, their secrets and their state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from models.webhook import DisabledBy
from services.database.connections import Database, Source
from services.database.dialects import Row, moment, uuid
from services.errors import BadInput
from services.events.handover import HEARD_AFTER_S
from services.webhooks.signing import new_secret

# Bounds the connections: each endpoint has some of its own, so that none waits for another.
MAX_ENDPOINTS = 32
# After a rotation the former secret signs too, for so long.
FORMER_SECRET_S = 24 * 3600
# An endpoint that has only failed for so long is shown as failing, and after the second time it is disabled.
FAILING_AFTER_S = 15 * 60
DISABLED_AFTER_S = 5 * 24 * 3600


class NoSuchEndpoint(Exception):
    """There is no such endpoint, or it was deleted."""

    message = "There is no such endpoint."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, without its secrets. Empty ``event_types``: all."""

    id: UUID
    url: str
    description: str
    event_types: tuple[str, ...]
    created: datetime
    begins: datetime
    disabled: datetime | None
    disabled_by: DisabledBy | None
    failing_since: datetime | None
    is_failing: bool

    @property
    def host(self) -> str:
        """The part of the address that is no secret."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, slots=True)
class Target:
    """Where an endpoint's webhooks go now, and the secrets that sign."""

    endpoint_id: UUID
    url: str
    secrets: tuple[str, ...]
    has_failed: bool


class Endpoints:
    """The table of endpoints. Methods with a ``source`` work in the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        sql = database.sql
        self._columns = (
            "id, url, description, event_types, created, begins, disabled, disabled_by, failing_since, "
            f"disabled IS NULL AND failing_since < {sql.ago(FAILING_AFTER_S)} AS is_failing"
        )

    async def add(
        self, source: Source, *, url: str, description: str, event_types: Sequence[str]
    ) -> tuple[Endpoint, str]:
        """Add an endpoint; returns it and its secret. It hears of changes from ``begins`` on.

        Raises:
            BadInput: there are ``MAX_ENDPOINTS``.
        """
        secret = new_secret()
        rows = await source.fetch(
            "INSERT INTO webhook_endpoints (id, url, description, event_types, secret, created, begins) "
            f"SELECT $1, $2, $3, $4, $5, {{now}}, {self._database.sql.ago(-HEARD_AFTER_S)} "
            f"WHERE (SELECT count(*) FROM webhook_endpoints) < {MAX_ENDPOINTS} RETURNING {self._columns}",
            uuid4(),
            url,
            description,
            " ".join(event_types),
            secret,
        )
        if not rows:
            raise BadInput(f"There can be at most {MAX_ENDPOINTS} endpoints.", field=("url",))
        return _endpoint(rows[0]), secret

    async def all(self) -> Sequence[Endpoint]:
        """All endpoints, the oldest first."""
        rows = await self._database.fetch(f"SELECT {self._columns} FROM webhook_endpoints ORDER BY created, id")
        return [_endpoint(row) for row in rows]

    async def find(self, source: Source, endpoint_id: UUID) -> Endpoint:
        """Raises: NoSuchEndpoint."""
        return self._one(
            await source.fetch(f"SELECT {self._columns} FROM webhook_endpoints WHERE id = $1", endpoint_id)
        )

    async def rotate(self, source: Source, endpoint_id: UUID) -> tuple[Endpoint, str]:
        """Give it another secret, which is returned. The former one signs too, for ``FORMER_SECRET_S``.

        Raises: NoSuchEndpoint
        """
        secret = new_secret()
        rows = await source.fetch(
            "UPDATE webhook_endpoints SET former_secret = secret, secret = $2, "
            f"former_until = {self._database.sql.ago(-FORMER_SECRET_S)} WHERE id = $1 RETURNING {self._columns}",
            endpoint_id,
            secret,
        )
        return self._one(rows), secret

    async def enable(self, source: Source, endpoint_id: UUID) -> Endpoint:
        """Send to it again; idempotent. It does not hear of what happened meanwhile. Raises: NoSuchEndpoint."""
        await source.fetch(
            "UPDATE webhook_endpoints SET disabled = NULL, disabled_by = NULL, failing_since = NULL, "
            f"quiet_until = NULL, begins = {self._database.sql.ago(-HEARD_AFTER_S)} "
            "WHERE id = $1 AND disabled IS NOT NULL",
            endpoint_id,
        )
        return await self.find(source, endpoint_id)

    async def disable(self, source: Source, endpoint_id: UUID, by: DisabledBy) -> Endpoint:
        """Send nothing more to it; idempotent. What waits for it stays, for a day. Raises: NoSuchEndpoint."""
        await source.fetch(
            "UPDATE webhook_endpoints SET disabled = {now}, disabled_by = $2 WHERE id = $1 AND disabled IS NULL",
            endpoint_id,
            by,
        )
        return await self.find(source, endpoint_id)

    async def delete(self, source: Source, endpoint_id: UUID) -> Endpoint:
        """Delete it, with its deliveries. Raises: NoSuchEndpoint."""
        return self._one(
            await source.fetch(
                f"DELETE FROM webhook_endpoints WHERE id = $1 RETURNING {self._columns}", endpoint_id
            )
        )

    async def with_due(self) -> Sequence[UUID]:
        """The endpoints that something can be sent to now."""
        rows = await self._database.fetch(
            f"SELECT e.id FROM webhook_endpoints e WHERE {_IS_OPEN} AND EXISTS "
            "(SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = e.id AND d.status = 'WAITING' "
            "AND d.due <= {now})"
        )
        return [uuid(row["id"]) for row in rows]

    async def target(self, endpoint_id: UUID) -> Target | None:
        """Where to send now; None: nothing at the moment."""
        rows = await self._database.fetch(
            "SELECT e.url, e.secret, e.failing_since, "
            "CASE WHEN e.former_until > {now} THEN e.former_secret END AS former_secret "
            f"FROM webhook_endpoints e WHERE e.id = $1 AND {_IS_OPEN}",
            endpoint_id,
        )
        if not rows:
            return None
        (row,) = rows
        secrets = (row["secret"],) if row["former_secret"] is None else (row["secret"], row["former_secret"])
        return Target(endpoint_id, row["url"], secrets, has_failed=row["failing_since"] is not None)

    async def works(self, endpoint_id: UUID) -> None:
        """It has accepted a webhook."""
        await self._database.fetch(
            "UPDATE webhook_endpoints SET failing_since = NULL, quiet_until = NULL WHERE id = $1", endpoint_id
        )

    async def fails(self, endpoint_id: UUID) -> None:
        """It has not accepted a webhook."""
        await self._database.fetch(
            "UPDATE webhook_endpoints SET failing_since = {now} WHERE id = $1 AND failing_since IS NULL",
            endpoint_id,
        )

    async def leave_alone(self, endpoint_id: UUID, for_s: int) -> None:
        """Send nothing to it for so long."""
        await self._database.fetch(
            f"UPDATE webhook_endpoints SET quiet_until = {self._database.sql.ago(-for_s)} WHERE id = $1",
            endpoint_id,
        )

    async def disable_failing(self) -> Sequence[Endpoint]:
        """Disable the endpoints that have only failed for ``DISABLED_AFTER_S``; returns them."""
        rows = await self._database.fetch(
            "UPDATE webhook_endpoints SET disabled = {now}, disabled_by = $1 WHERE disabled IS NULL "
            f"AND failing_since < {self._database.sql.ago(DISABLED_AFTER_S)} RETURNING {self._columns}",
            DisabledBy.FAILURES,
        )
        return [_endpoint(row) for row in rows]

    async def failing(self) -> float:
        """The number of endpoints that are failing."""
        rows = await self._database.fetch(
            "SELECT count(*) AS number FROM webhook_endpoints WHERE disabled IS NULL "
            f"AND failing_since < {self._database.sql.ago(FAILING_AFTER_S)}"
        )
        return rows[0]["number"]

    def _one(self, rows: Sequence[Row]) -> Endpoint:
        if not rows:
            raise NoSuchEndpoint
        return _endpoint(rows[0])


_IS_OPEN = "e.disabled IS NULL AND (e.quiet_until IS NULL OR e.quiet_until <= {now})"


def _endpoint(row: Row) -> Endpoint:
    return Endpoint(
        id=uuid(row["id"]),
        url=row["url"],
        description=row["description"],
        event_types=tuple(row["event_types"].split()),
        created=moment(row["created"]),
        begins=moment(row["begins"]),
        disabled=_moment(row["disabled"]),
        disabled_by=DisabledBy(row["disabled_by"]) if row["disabled_by"] is not None else None,
        failing_since=_moment(row["failing_since"]),
        is_failing=bool(row["is_failing"]),
    )


def _moment(value: object) -> datetime | None:
    return moment(value) if value is not None else None
