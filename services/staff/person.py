"""What staff see of one person. A fixed number of statements, each with a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.letter import LetterKind
from models.standing import Availability
from models.values import Role
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.dialects import moment, uuid
from services.drivers.standings import Standings
from services.staff import lists, rating_list
from services.staff.list_query import Group, Match, Rule
from services.staff.lists import ActionRow, TripRow
from services.staff.rating_list import RatingRow

# Rows of each kind on the page; the trips have more pages.
SHOWN_TRIPS = 10
SHOWN = 20


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A live session. Of the device and its network nothing is stored."""

    id: UUID
    created: datetime
    used: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A letter that waits to be sent, or was sent within the last hour."""

    kind: LetterKind
    address: str
    created: datetime
    sent: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What changes of an account. ``availability`` and ``trip_id``, the trip under way, are for drivers."""

    email: str | None
    email_verified_at: datetime | None
    rating: float | None
    ratings: int
    availability: Availability | None
    trip_id: UUID | None


@dataclass(frozen=True, slots=True)
class TripPage:
    """Trips of one person, newest first."""

    trips: Sequence[TripRow]
    number: int
    has_more: bool


class People:
    """Reads what the page of a person shows."""

    def __init__(self, database: Database, *, sessions: Sessions, standings: Standings) -> None:
        self._database = database
        self._sessions = sessions
        self._standings = standings
        self._actions = lists.actions(database)

    async def standing(self, user_id: UUID, role: Role) -> Standing | None:
        """The state of the account; None if there is no such account."""
        rows = await self._database.fetch(
            "SELECT email, email_verified_at, rating_sum, rating_count FROM users WHERE id = $1", user_id
        )
        if not rows:
            return None
        (row,) = rows
        driver = await self._standings.of(user_id) if role is Role.DRIVER else None
        count: int = row["rating_count"]
        return Standing(
            email=row["email"],
            email_verified_at=moment(row["email_verified_at"]) if row["email_verified_at"] is not None else None,
            rating=row["rating_sum"] / count if count else None,
            ratings=count,
            availability=driver.availability if driver is not None else None,
            trip_id=driver.trip_id if driver is not None else None,
        )

    async def trips(self, user_id: UUID, role: Role, *, page: int = 1) -> TripPage:
        """A page of the person's trips, found by an index."""
        column = "driver_id" if role is Role.DRIVER else "rider_id"
        window = (
            f"SELECT t.* FROM trips t WHERE t.{column} = $1 ORDER BY t.created DESC, t.id DESC LIMIT $2 OFFSET $3"
        )
        rows = await self._database.fetch(
            f"{lists.trips_in(window)} ORDER BY w.created DESC, w.id DESC",
            user_id,
            SHOWN_TRIPS + 1,
            (page - 1) * SHOWN_TRIPS,
        )
        trips = [lists.trip_row(row) for row in rows]
        return TripPage(trips[:SHOWN_TRIPS], page, has_more=len(trips) > SHOWN_TRIPS)

    async def sessions(self, user_id: UUID) -> Sequence[SessionRow]:
        """The newest live sessions, the last used first."""
        rows = await self._database.fetch(
            "SELECT s.id, s.created, s.used FROM sessions s JOIN users u ON u.id = s.user_id "
            f"WHERE s.user_id = $1 AND {self._sessions.is_live} ORDER BY s.used DESC, s.id LIMIT {SHOWN}",
            user_id,
        )
        return [
            SessionRow(
                uuid(row["id"]),
                created := moment(row["created"]),
                used := moment(row["used"]),
                self._sessions.expires_at(created=created, used=used),
            )
            for row in rows
        ]

    async def letters(self, user_id: UUID) -> Sequence[LetterRow]:
        """The letters that the server still knows."""
        rows = await self._database.fetch(
            "SELECT kind, address, created, sent FROM letters WHERE user_id = $1 AND address IS NOT NULL "
            f"ORDER BY id DESC LIMIT {SHOWN}",
            user_id,
        )
        return [
            LetterRow(
                LetterKind(row["kind"]),
                row["address"],
                moment(row["created"]),
                moment(row["sent"]) if row["sent"] is not None else None,
            )
            for row in rows
        ]

    async def ratings(self, user_id: UUID) -> Sequence[RatingRow]:
        """The newest ratings about the person."""
        return await rating_list.received_by(self._database, user_id)

    async def actions(self, user_id: UUID) -> Sequence[ActionRow]:
        """What staff did about the person lately, as far back as the list of actions reaches."""
        return await self._actions.page(where=Group((Rule("user_id", Match.EQUAL, user_id),)), limit=SHOWN)
