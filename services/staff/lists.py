"""The lists of staff: users, trips, and actions of staff."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.staff_action import StaffActionKind
from models.trip_life import ACTIVE, CancelCode, TripStatus
from models.values import Approval, Role, VehicleValue, vehicle_from_json
from services.database.connections import Database
from services.database.dialects import Row, moment, uuid
from services.staff.list_query import MAX_ROWS, ListedTable, Match, Query, Rule, StaffList
from services.trips.conditions import has_status

# A search by user name covers the trips of at most this many users.
MAX_NAMESAKES = 100
# Of riders it means nothing.
_APPROVAL = f"CASE WHEN w.role = '{Role.DRIVER.value}' THEN w.approval END"


@dataclass(frozen=True, slots=True)
class UserRow:
    """An account as staff see it."""

    id: UUID
    username: str
    first_name: str
    last_name: str
    role: Role
    photo: str | None
    is_staff: bool
    is_active: bool
    created: datetime
    deleted: datetime | None
    # For drivers.
    approval: Approval
    approval_reason: str | None
    vehicle: VehicleValue | None


@dataclass(frozen=True, slots=True)
class TripRow:
    """A trip as staff see it."""

    id: UUID
    status: TripStatus
    version: int
    rider_id: UUID
    # User names, and first and last names. Those of deleted accounts are empty.
    rider: str
    rider_full_name: str
    driver_id: UUID | None
    driver: str | None
    driver_full_name: str
    pick_up_address: str
    drop_off_address: str
    pick_up_lat: float | None
    pick_up_lng: float | None
    drop_off_lat: float | None
    drop_off_lng: float | None
    cancel_reason: str | None
    cancel_code: CancelCode | None
    arrived_at: datetime | None
    vehicle: VehicleValue | None
    created: datetime
    updated: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ActionRow:
    """An action of a member of staff."""

    id: int
    at: datetime
    action: StaffActionKind
    staff: str
    # None: it was done on the command line.
    staff_id: UUID | None
    user_id: UUID | None
    user: str | None
    trip_id: UUID | None
    detail: str


def users(database: Database) -> StaffList[UserRow]:
    """All accounts, including deleted ones."""
    names = ("id", "username", "first_name", "last_name", "role", "is_staff", "is_active", "created", "deleted")
    return StaffList(
        database,
        ListedTable(
            columns={name: f"w.{name}" for name in names} | {"approval": _APPROVAL},
            time="created",
            rows=users_in,
            newest=lambda where: newest("users", where),
            searched=_searched_users,
            make=user_row,
            narrowed=_if_waiting,
        ),
    )


def users_in(window: str) -> str:
    """SQL of the rows of users, for ``user_row``."""
    return (
        "SELECT w.id, w.username, w.first_name, w.last_name, w.role, w.photo, w.is_staff, w.is_active, "
        f"w.created, w.deleted, w.approval, w.approval_reason, w.vehicle FROM ({window}) w"
    )


def trips(database: Database) -> StaffList[TripRow]:
    """All trips."""
    names = (
        "id",
        "status",
        "version",
        "pick_up_address",
        "drop_off_address",
        "cancel_reason",
        "cancel_code",
        "created",
        "updated",
        "expires_at",
    )
    return StaffList(
        database,
        ListedTable(
            columns={name: f"w.{name}" for name in names} | {"rider": "r.username", "driver": "d.username"},
            time="created",
            rows=trips_in,
            newest=lambda where: newest("trips", where),
            searched=_searched_trips,
            make=trip_row,
            narrowed=_if_active,
        ),
    )


def trips_in(window: str) -> str:
    """SQL of the rows of trips, for ``trip_row``."""
    return (
        "SELECT w.id, w.status, w.version, w.rider_id, r.username AS rider, w.driver_id, "
        "d.username AS driver, r.first_name AS rider_first, r.last_name AS rider_last, "
        "d.first_name AS driver_first, d.last_name AS driver_last, w.pick_up_address, w.drop_off_address, "
        "w.pick_up_lat, w.pick_up_lng, w.drop_off_lat, w.drop_off_lng, w.cancel_reason, w.cancel_code, "
        "w.arrived_at, w.vehicle, w.created, w.updated, w.expires_at "
        f"FROM ({window}) w JOIN users r ON r.id = w.rider_id LEFT JOIN users d ON d.id = w.driver_id"
    )


def actions(database: Database) -> StaffList[ActionRow]:
    """The audit trail of staff actions."""
    columns = {name: f"w.{name}" for name in ("id", "at", "action", "detail", "trip_id", "user_id")}
    return StaffList(
        database,
        ListedTable(
            columns=columns | {"staff": "w.staff_username", "user": "u.username"},
            time="at",
            rows=_actions_in,
            newest=lambda where: newest("staff_actions", where, time="at"),
            searched=_searched_actions,
            make=_action_row,
        ),
    )


def _actions_in(window: str) -> str:
    return (
        "SELECT w.id, w.at, w.action, w.staff_username AS staff, w.staff_id, w.user_id, u.username AS user_name, "
        f"w.trip_id, w.detail FROM ({window}) w LEFT JOIN users u ON u.id = w.user_id"
    )


async def actions_of_trip(database: Database, trip_id: UUID, *, limit: int) -> Sequence[ActionRow]:
    """What staff did about a trip, the newest first; found by an index."""
    window = "SELECT t.* FROM staff_actions t WHERE t.trip_id = $1 ORDER BY t.id DESC LIMIT $2"
    rows = await database.fetch(f"{_actions_in(window)} ORDER BY w.id DESC", trip_id, limit)
    return [_action_row(row) for row in rows]


def newest(table: str, where: str, *, time: str = "created") -> str:
    return f"SELECT t.* FROM {table} t WHERE {where} ORDER BY t.{time} DESC, t.id DESC LIMIT {MAX_ROWS}"


def _searched_users(query: Query, text: str, an_id: UUID | None) -> tuple[Sequence[str], str | None]:
    if an_id is not None:
        return [f"SELECT u.* FROM users u WHERE u.id = {query.bind(an_id)}"], None
    condition = f"({query.like('w.first_name', '%', text)} OR {query.like('w.last_name', '%', text)} OR "
    return (
        [f"SELECT u.* FROM users u WHERE {query.named_like(text)} LIMIT {MAX_ROWS}"],
        condition + f"{query.like('w.username', '%', text)} OR {query.with_plate('w.vehicle', text)})",
    )


def _searched_trips(query: Query, text: str, an_id: UUID | None) -> tuple[Sequence[str], str | None]:
    if an_id is not None:
        mark = query.bind(an_id)
        return [newest("trips", f"t.{column} = {mark}") for column in ("id", "rider_id", "driver_id")], None
    namesakes = f"(SELECT u.id FROM users u WHERE {query.named_like(text)} LIMIT {MAX_NAMESAKES})"
    addresses = [query.like(f"w.{column}", "%", text) for column in ("pick_up_address", "drop_off_address")]
    return (
        [newest("trips", f"t.{column} IN {namesakes}") for column in ("rider_id", "driver_id")],
        f"({' OR '.join((*addresses, query.with_plate('w.vehicle', text)))})",
    )


def _searched_actions(query: Query, text: str, an_id: UUID | None) -> tuple[Sequence[str], str | None]:
    if an_id is not None:
        mark = query.bind(an_id)
        return [], f"(w.user_id = {mark} OR w.trip_id = {mark} OR w.staff_id = {mark})"
    return [], f"({query.like('w.staff_username', '%', text)} OR {query.like('w.detail', '%', text)})"


def _if_active(rule: Rule) -> str | None:
    """A filter for active trips covers the whole table: they are few, and have an index."""
    if rule.column != "status" or rule.match is not Match.ONE_OF or not isinstance(rule.value, list):
        return None
    return has_status(ACTIVE, "t") if ACTIVE.issuperset(rule.value) else None


def _if_waiting(rule: Rule) -> str | None:
    """A filter for drivers who wait covers the whole table: they are few, and have an index."""
    waiting = [Approval.WAITING.value]
    is_for_waiting = rule.column == "approval" and rule.match is Match.ONE_OF and rule.value == waiting
    return f"t.approval = '{Approval.WAITING.value}'" if is_for_waiting else None


def user_row(row: Row) -> UserRow:
    return UserRow(
        id=uuid(row["id"]),
        username=row["username"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        role=Role(row["role"]),
        photo=row["photo"],
        is_staff=bool(row["is_staff"]),
        is_active=bool(row["is_active"]),
        created=moment(row["created"]),
        deleted=_moment(row["deleted"]),
        approval=Approval(row["approval"]),
        approval_reason=row["approval_reason"],
        vehicle=vehicle_from_json(row["vehicle"]),
    )


def trip_row(row: Row) -> TripRow:
    return TripRow(
        id=uuid(row["id"]),
        status=TripStatus(row["status"]),
        version=row["version"],
        rider_id=uuid(row["rider_id"]),
        rider=row["rider"],
        rider_full_name=_full_name(row, "rider"),
        driver_id=_uuid(row["driver_id"]),
        driver=row["driver"],
        driver_full_name=_full_name(row, "driver"),
        pick_up_address=row["pick_up_address"],
        drop_off_address=row["drop_off_address"],
        pick_up_lat=row["pick_up_lat"],
        pick_up_lng=row["pick_up_lng"],
        drop_off_lat=row["drop_off_lat"],
        drop_off_lng=row["drop_off_lng"],
        cancel_reason=row["cancel_reason"],
        cancel_code=CancelCode(row["cancel_code"]) if row["cancel_code"] is not None else None,
        arrived_at=moment(row["arrived_at"]) if row["arrived_at"] is not None else None,
        vehicle=vehicle_from_json(row["vehicle"]),
        created=moment(row["created"]),
        updated=moment(row["updated"]),
        expires_at=_moment(row["expires_at"]),
    )


def _action_row(row: Row) -> ActionRow:
    return ActionRow(
        id=row["id"],
        at=moment(row["at"]),
        action=StaffActionKind(row["action"]),
        staff=row["staff"],
        staff_id=_uuid(row["staff_id"]),
        user_id=_uuid(row["user_id"]),
        user=row["user_name"],
        trip_id=_uuid(row["trip_id"]),
        detail=row["detail"],
    )


def _full_name(row: Row, party: str) -> str:
    return f"{row[f'{party}_first'] or ''} {row[f'{party}_last'] or ''}".strip()


def _moment(value: object) -> datetime | None:
    return moment(value) if value is not None else None


def _uuid(value: object) -> UUID | None:
    return uuid(value) if value is not None else None
