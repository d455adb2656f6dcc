"""The list of ratings for staff, with the comments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.database.connections import Database
from services.database.dialects import Row, moment, uuid
from services.staff.list_query import ListedTable, Query, StaffList
from services.staff.lists import MAX_NAMESAKES, newest

# What the page of a user shows.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class RatingRow:
    """A rating. The user names of deleted accounts are empty."""

    id: int
    trip_id: UUID
    author_id: UUID
    author: str
    subject_id: UUID
    subject: str
    stars: int
    comment: str | None
    created: datetime


def ratings(database: Database) -> StaffList[RatingRow]:
    """All ratings."""
    names = ("id", "trip_id", "comment", "created")
    return StaffList(
        database,
        ListedTable(
            # Filters compare stars as text; there is one digit.
            columns={name: f"w.{name}" for name in names}
            | {"author": "a.username", "subject": "s.username", "stars": "CAST(w.stars AS TEXT)"},
            time="created",
            rows=_rows,
            newest=lambda where: newest("ratings", where),
            searched=_searched,
            make=_rating_row,
        ),
    )


async def received_by(database: Database, user_id: UUID) -> Sequence[RatingRow]:
    """The newest ``SHOWN`` ratings that a user has received."""
    window = f"SELECT t.* FROM ratings t WHERE t.subject_id = $1 ORDER BY t.id DESC LIMIT {SHOWN}"
    rows = await database.fetch(f"{_rows(window)} ORDER BY w.id DESC", user_id)
    return [_rating_row(row) for row in rows]


async def of_trip(database: Database, trip_id: UUID) -> Sequence[RatingRow]:
    """What the parties of a trip think of each other: at most one rating each."""
    rows = await database.fetch(
        f"{_rows('SELECT t.* FROM ratings t WHERE t.trip_id = $1')} ORDER BY w.id", trip_id
    )
    return [_rating_row(row) for row in rows]


def _rows(window: str) -> str:
    return (
        "SELECT w.id, w.trip_id, w.author_id, a.username AS author, w.subject_id, s.username AS subject, w.stars, "
        f"w.comment, w.created FROM ({window}) w JOIN users a ON a.id = w.author_id "
        "JOIN users s ON s.id = w.subject_id"
    )


def _searched(query: Query, text: str, an_id: UUID | None) -> tuple[Sequence[str], str | None]:
    if an_id is not None:
        mark = query.bind(an_id)
        return [newest("ratings", f"t.{column} = {mark}") for column in ("trip_id", "subject_id")], (
            f"w.author_id = {mark}"
        )
    namesakes = f"(SELECT u.id FROM users u WHERE {query.named_like(text)} LIMIT {MAX_NAMESAKES})"
    condition = f"(w.author_id IN {namesakes} OR {query.like('w.comment', '%', text)})"
    return [newest("ratings", f"t.subject_id IN {namesakes}")], condition


def _rating_row(row: Row) -> RatingRow:
    return RatingRow(
        id=row["id"],
        trip_id=uuid(row["trip_id"]),
        author_id=uuid(row["author_id"]),
        author=row["author"],
        subject_id=uuid(row["subject_id"]),
        subject=row["subject"],
        stars=row["stars"],
        comment=row["comment"],
        created=moment(row["created"]),
    )
