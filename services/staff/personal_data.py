"""Everything that is stored about one person, as a file for that person."""

import asyncio
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

import orjson
import structlog

from models.values import vehicle_from_json
from services.accounts import usernames
from services.database.connections import Database
from services.database.dialects import Row, moment, uuid
from services.photos.account_photos import PhotosUnavailable
from services.photos.store import PhotoStore, StoreUnreachable

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of a table that are about a person. ``where`` has the person's id as ``$1``."""

    table: str
    columns: tuple[str, ...]
    where: str
    order: str


ACCOUNT = Section(
    "users",
    (
        *("id", "username", "first_name", "last_name", "role", "is_staff", "is_active", "created", "deleted"),
        *(
            "email",
            "email_verified_at",
            "on_duty",
            "approval",
            "approval_reason",
            "vehicle",
            "rating_sum",
            "rating_count",
        ),
    ),
    "id = $1",
    "id",
)
_TRIP = (
    *("id", "created", "updated", "version", "status", "pick_up_address", "drop_off_address"),
    *("pick_up_lat", "pick_up_lng", "drop_off_lat", "drop_off_lng", "expires_at", "cancel_reason", "cancel_code"),
    *("vehicle", "arrived_at"),
)
_ACTION = ("at", "action", "detail", "trip_id")
SECTIONS = {
    "sessions": Section("sessions", ("created", "used", "admin_opened"), "user_id = $1", "created"),
    # Of the last hour.
    "letters": Section("letters", ("kind", "address", "created", "sent"), "user_id = $1", "id"),
    "links_in_letters": Section("email_tokens", ("purpose", "address", "expires"), "user_id = $1", "expires"),
    # Without the keys: with them, messages to the device could be read.
    "devices_with_push_messages": Section(
        "push_subscriptions",
        ("endpoint", "created", "failing_since"),
        "session_id IN (SELECT id FROM sessions WHERE user_id = $1)",
        "id",
    ),
    "trips_as_rider": Section("trips", _TRIP, "rider_id = $1", "created"),
    "trips_as_driver": Section("trips", _TRIP, "driver_id = $1", "created"),
    "changes_of_trips": Section(
        "trip_changes",
        ("trip_id", "version", "status", "at", "changed_by", "is_arrival", "cancel_code", "reason"),
        "user_id = $1",
        "id",
    ),
    "ratings_given": Section("ratings", ("trip_id", "stars", "comment", "created"), "author_id = $1", "id"),
    # Without the author, whom the trip names.
    "ratings_received": Section("ratings", ("trip_id", "stars", "comment", "created"), "subject_id = $1", "id"),
    "actions_of_staff_about_you": Section("staff_actions", _ACTION, "user_id = $1", "id"),
    "your_actions_as_staff": Section(
        "staff_actions",
        (*_ACTION, "user_id"),
        "staff_id = $1",
        "id",
    ),
}
PHOTO = "photo.webp"
MISSING = "missing in the store of photos"
_IDS = frozenset({"id", "trip_id", "user_id"})
_TIMES = frozenset(
    {
        "email_verified_at",
        "created",
        "updated",
        "used",
        "admin_opened",
        "at",
        "deleted",
        "expires_at",
        "arrived_at",
        "sent",
        "expires",
        "failing_since",
    }
)
_FLAGS = frozenset({"is_staff", "is_active", "on_duty", "is_arrival"})


class PersonalData:
    """Collects what is stored about a person."""

    def __init__(self, database: Database, photos: PhotoStore) -> None:
        self._database = database
        self._photos = photos

    async def find(self, username: str) -> UUID | None:
        """The id of the account with this user name; None if there is none."""
        rows = await self._database.fetch(
            "SELECT id FROM users WHERE username_key = $1", usernames.lookup_key(username)
        )
        return uuid(rows[0]["id"]) if rows else None

    async def of(self, user_id: UUID) -> bytes | None:
        """A ZIP file with ``account.json`` and, if there is one, ``photo.webp``. None: there is no such account.

        The account, its sessions, the trips as rider and as driver, every change the person made, ratings given
        and received with their comments, and what staff did about the person. No password, no token, and nobody
        else's name. Positions are not in it: they are kept for minutes, and not in the database. If the file of a
        photo is missing, ``account.json`` says so.

        Raises:
            PhotosUnavailable: the photo cannot be read at the moment.
        """
        rows = await self._database.fetch(
            f"SELECT photo, {', '.join(ACCOUNT.columns)} FROM users WHERE id = $1", user_id
        )
        if not rows:
            return None
        photo = await self._photo(rows[0]["photo"])
        account: dict[str, Any] = {"account": _plain(rows[0], ACCOUNT.columns)}
        if photo is not None:
            account["photo"] = PHOTO
        elif rows[0]["photo"] is not None:
            # Restored from a backup without its photos, perhaps.
            account["photo"] = MISSING
            _log.warning("a photo is missing in the store", user_id=str(user_id))
        for name, section in SECTIONS.items():
            account[name] = await self._rows(section, user_id)
        return await asyncio.to_thread(_zipped, account, photo)

    async def _rows(self, section: Section, user_id: UUID) -> Sequence[Mapping[str, Any]]:
        rows = await self._database.fetch(
            f"SELECT {', '.join(section.columns)} FROM {section.table} WHERE {section.where} "
            f"ORDER BY {section.order}",
            user_id,
        )
        return [_plain(row, section.columns) for row in rows]

    async def _photo(self, name: str | None) -> bytes | None:
        if name is None:
            return None
        try:
            return await self._photos.get(name)
        except StoreUnreachable as error:
            raise PhotosUnavailable("The photo cannot be read at the moment.") from error


def _plain(row: Row, columns: Sequence[str]) -> dict[str, Any]:
    """A row with values that are alike on both databases."""
    return {column: _value(column, row[column]) for column in columns}


def _value(column: str, value: Any) -> Any:
    if value is None:
        return None
    if column in _IDS:
        return str(uuid(value))
    if column in _TIMES:
        return moment(value)
    if column in _FLAGS:
        return bool(value)
    return vehicle_from_json(value) if column == "vehicle" else value


def _zipped(account: Mapping[str, Any], photo: bytes | None) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("account.json", orjson.dumps(account, option=orjson.OPT_INDENT_2) + b"\n")
        if photo is not None:
            archive.writestr(PHOTO, photo)
    return file.getvalue()
