"""What staff do with webhooks. Each act is in the audit trail, in its transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID

from models.staff_action import StaffActionKind
from models.webhook import DeliveryStatus, DisabledBy
from services.accounts.sessions import Sessions
from services.database.connections import Database, Transaction
from services.database.dialects import Row, moment, uuid
from services.staff.list_query import ListedTable, Query, StaffList
from services.staff.lists import newest
from services.staff.staff import StaffMember
from services.staff.trail import CommandLine, StaffTrail
from services.webhooks.endpoints import FAILING_AFTER_S, Endpoint
from services.webhooks.management import Also, WebhookManagement


class StaffWebhooks:
    """The acts of staff and of the command line, with the rules and errors of ``WebhookManagement``.

    Each also raises ``NotStaff``: the caller is no longer a member of staff, and nothing was done.
    """

    def __init__(self, management: WebhookManagement, sessions: Sessions) -> None:
        self._management = management
        self._trail = StaffTrail(sessions)

    async def add(
        self, by: StaffMember | CommandLine, *, url: str, description: str, event_types: Sequence[str]
    ) -> tuple[Endpoint, str]:
        """Add an endpoint; returns it and its secret, which is shown this once."""
        return await self._management.add(
            url=url,
            description=description,
            event_types=event_types,
            also=self._noted(by, StaffActionKind.ADD_WEBHOOK),
        )

    async def rotate(self, by: StaffMember | CommandLine, *, endpoint_id: UUID) -> str:
        """Give an endpoint another secret, which is shown this once."""
        return await self._management.rotate(endpoint_id, also=self._noted(by, StaffActionKind.ROTATE_WEBHOOK))

    async def enable(self, by: StaffMember | CommandLine, *, endpoint_id: UUID) -> None:
        """Send to an endpoint again."""
        await self._management.enable(endpoint_id, also=self._noted(by, StaffActionKind.ENABLE_WEBHOOK))

    async def disable(self, by: StaffMember | CommandLine, *, endpoint_id: UUID) -> None:
        """Send nothing more to an endpoint."""
        await self._management.disable(endpoint_id, also=self._noted(by, StaffActionKind.DISABLE_WEBHOOK))

    async def delete(self, by: StaffMember | CommandLine, *, endpoint_id: UUID) -> None:
        """Delete an endpoint with its deliveries."""
        await self._management.delete(endpoint_id, also=self._noted(by, StaffActionKind.DELETE_WEBHOOK))

    async def test(self, by: StaffMember | CommandLine, *, endpoint_id: UUID) -> None:
        """Send a test event."""
        await self._management.test(endpoint_id, also=self._noted(by, StaffActionKind.TEST_WEBHOOK))

    async def send_again(self, by: StaffMember | CommandLine, *, delivery_id: int) -> None:
        """Send a dead letter again."""
        await self._management.send_again(
            delivery_id, also=self._noted(by, StaffActionKind.RESEND_WEBHOOK, f"number {delivery_id}")
        )

    async def send_all_again(self, by: StaffMember | CommandLine, *, endpoint_id: UUID) -> int:
        """Send all dead letters of an endpoint again; returns how many."""
        return await self._management.send_all_again(
            endpoint_id, also=self._noted(by, StaffActionKind.RESEND_WEBHOOK, "all")
        )

    def _noted(self, by: StaffMember | CommandLine, action: StaffActionKind, what: str = "") -> Also:
        author = by if isinstance(by, CommandLine) else by.actor

        async def also(transaction: Transaction, endpoint: Endpoint) -> None:
            # Without the path of the address, which can be a secret.
            detail = f"{endpoint.host} {endpoint.id} {what}".strip()
            await self._trail.record(transaction, author, action, detail=detail[-500:])

        return also


class EndpointState(StrEnum):
    """What is sent to an endpoint, and if nothing is, why."""

    ENABLED = "ENABLED"
    # Enabled, and has only failed for a while.
    FAILING = "FAILING"
    # By staff.
    DISABLED = "DISABLED"
    # It answered 410.
    GONE = "GONE"
    # It failed for days.
    FAILED = "FAILED"

    @property
    def is_enabled(self) -> bool:
        """Whether webhooks are sent to it."""
        return self in (EndpointState.ENABLED, EndpointState.FAILING)


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint as staff see it, with the number of its deliveries that wait, and of dead letters."""

    id: UUID
    url: str
    description: str
    event_types: str
    state: EndpointState
    created: datetime
    begins: datetime
    failing_since: datetime | None
    waiting: int
    dead: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery as staff see it."""

    id: int
    endpoint_id: UUID
    host: str
    description: str
    event_type: str
    trip_id: UUID | None
    version: int | None
    status: DeliveryStatus
    created: datetime
    due: datetime | None
    attempts: int
    attempted: datetime | None
    last_status: int | None
    last_answer: str


_DISABLED = {
    DisabledBy.STAFF: EndpointState.DISABLED,
    DisabledBy.GONE: EndpointState.GONE,
    DisabledBy.FAILURES: EndpointState.FAILED,
}


def endpoints(database: Database) -> StaffList[EndpointRow]:
    """All endpoints."""
    disabled = " ".join(
        f"WHEN w.disabled_by = '{by.value}' THEN '{state.value}'" for by, state in _DISABLED.items()
    )
    state = (
        f"CASE {disabled} WHEN w.failing_since < {database.sql.ago(FAILING_AFTER_S)} THEN "
        f"'{EndpointState.FAILING.value}' "
        f"ELSE '{EndpointState.ENABLED.value}' END"
    )

    def rows(window: str) -> str:
        return (
            "SELECT w.id, w.url, w.description, w.event_types, w.created, w.begins, w.failing_since, "
            f"{state} AS state, {_number('WAITING')} AS waiting, {_number('DEAD')} AS dead FROM ({window}) w"
        )

    names = ("id", "url", "description", "event_types", "created", "begins", "failing_since")
    return StaffList(
        database,
        ListedTable(
            columns={name: f"w.{name}" for name in names} | {"state": state},
            time="created",
            rows=rows,
            newest=lambda where: newest("webhook_endpoints", where),
            searched=_searched_endpoints,
            make=_endpoint_row,
        ),
    )


def deliveries(database: Database) -> StaffList[DeliveryRow]:
    """All deliveries that are kept."""
    names = (
        *("id", "endpoint_id", "event_type", "trip_id", "status", "created", "attempts", "attempted"),
        *("last_status", "last_answer"),
    )
    return StaffList(
        database,
        ListedTable(
            columns={name: f"w.{name}" for name in names} | {"host": "e.url"},
            time="created",
            rows=lambda window: (
                "SELECT w.id, w.endpoint_id, e.url, e.description, w.event_type, w.trip_id, w.version, w.status, "
                "w.created, w.due, w.attempts, w.attempted, w.last_status, w.last_answer "
                f"FROM ({window}) w JOIN webhook_endpoints e ON e.id = w.endpoint_id"
            ),
            newest=lambda where: newest("webhook_deliveries", where),
            searched=_searched_deliveries,
            make=_delivery_row,
        ),
    )


def _number(status: str) -> str:
    return f"(SELECT count(*) FROM webhook_deliveries d WHERE d.endpoint_id = w.id AND d.status = '{status}')"


def _searched_endpoints(query: Query, text: str, an_id: UUID | None) -> tuple[Sequence[str], str | None]:
    if an_id is not None:
        return [], f"w.id = {query.bind(an_id)}"
    return [], f"({query.like('w.url', '%', text)} OR {query.like('w.description', '%', text)})"


def _searched_deliveries(query: Query, text: str, an_id: UUID | None) -> tuple[Sequence[str], str | None]:
    if an_id is not None:
        mark = query.bind(an_id)
        return [
            newest("webhook_deliveries", f"t.{column} = {mark}") for column in ("trip_id", "endpoint_id")
        ], None
    return [], f"({query.like('e.url', '%', text)} OR {query.like('w.last_answer', '%', text)})"


def _endpoint_row(row: Row) -> EndpointRow:
    return EndpointRow(
        id=uuid(row["id"]),
        url=row["url"],
        description=row["description"],
        event_types=row["event_types"].replace(" ", ", ") or "all",
        state=EndpointState(row["state"]),
        created=moment(row["created"]),
        begins=moment(row["begins"]),
        failing_since=moment(row["failing_since"]) if row["failing_since"] is not None else None,
        waiting=row["waiting"],
        dead=row["dead"],
    )


def _delivery_row(row: Row) -> DeliveryRow:
    status = DeliveryStatus(row["status"])
    return DeliveryRow(
        id=row["id"],
        endpoint_id=uuid(row["endpoint_id"]),
        host=urlsplit(row["url"]).netloc,
        description=row["description"],
        event_type=row["event_type"],
        trip_id=uuid(row["trip_id"]) if row["trip_id"] is not None else None,
        version=row["version"],
        status=status,
        created=moment(row["created"]),
        due=moment(row["due"]) if status is DeliveryStatus.WAITING else None,
        attempts=row["attempts"],
        attempted=moment(row["attempted"]) if row["attempted"] is not None else None,
        last_status=row["last_status"],
        last_answer=row["last_answer"],
    )
