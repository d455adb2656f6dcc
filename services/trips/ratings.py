"""Ratings: each party of a completed trip rates the other, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from models.trip_life import is_completed
from models.values import TripValue
from models.visibility import Actor, Audience, audience_of
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.dialects import uuid
from services.errors import BadInput, ErrorCode, UserFault
from services.limits.throttle import PerUser
from services.runtime.data_loader import DataLoader
from services.runtime.shield import Shield
from services.trips import rows as trip_rows
from services.trips.checks import checked_comment
from services.trips.faults import IllegalTransition, TripNotFound

MOST_STARS = 5


class AlreadyRated(UserFault):
    """The caller has rated this trip differently. A rating never changes."""

    code = ErrorCode.ALREADY_RATED


@dataclass(frozen=True, slots=True)
class RatingValue:
    """The mean of the ``count`` ratings that a user has received, rounded to a tenth."""

    average: float
    count: int


class Ratings:
    """Ratings of one application. A rating is no event: nobody is told of it."""

    def __init__(self, database: Database, shield: Shield, sessions: Sessions, *, changing: PerUser) -> None:
        """``changing``: how often a user may request, change and rate trips."""
        self._database = database
        self._shield = shield
        self._sessions = sessions
        self._changing = changing
        self._received = DataLoader(self._find_received)
        self._given = DataLoader(self._find_given)

    async def rate(self, actor: Actor, *, trip_id: UUID, stars: int, comment: str | None = None) -> TripValue:
        """Rate the other party of a completed trip of the caller; returns the trip.

        Of several simultaneous ratings by one party exactly one is kept. The same rating asked again succeeds and
        counts once. The rating of a deleted account counts too.

        Raises:
            RateLimited: the caller requests, changes and rates trips too often.
            BadInput: the stars are not 1 to 5; the comment is too long or contains a forbidden character.
            TripNotFound: no such trip, or the caller is not a party of it.
            IllegalTransition: the trip is not completed.
            AlreadyRated: the caller has rated it differently.
            SessionEnded: the caller's session has ended.
        """
        await self._changing.count(actor)
        if not 1 <= stars <= MOST_STARS:
            raise BadInput(f"Give 1 to {MOST_STARS} stars.", field=("stars",))
        return await self._shield.run(self._rate(actor, trip_id, stars, checked_comment(comment)))

    async def _rate(self, actor: Actor, trip_id: UUID, stars: int, comment: str | None) -> TripValue:
        trip = await trip_rows.find(self._database, trip_id)
        audience = audience_of(actor, trip) if trip is not None else None
        if trip is None or audience is None or not audience.is_party:
            raise TripNotFound("There is no such trip.", field=("tripId",))
        if not is_completed(trip.status) or trip.driver is None:
            raise IllegalTransition("A trip can be rated once it is completed.", field=("tripId",))
        # Final: nobody can change the parties of a completed trip.
        subject = trip.driver if audience is Audience.RIDER else trip.rider
        caller = self._sessions.live_sql("$6") + self._sessions.session_lock_sql
        async with self._database.transaction() as transaction:
            # The unique constraint decides: a simultaneous rating waits here for the first one's commit.
            written = await transaction.fetch(
                f"WITH caller AS ({caller}) "
                "INSERT INTO ratings (trip_id, author_id, subject_id, stars, comment, created) "
                f"SELECT $1, $2, $3, $4, $5, {{now}} WHERE {trip_rows.CALLED} "
                "ON CONFLICT (trip_id, author_id) DO NOTHING RETURNING id",
                trip_id,
                actor.id,
                subject.id,
                stars,
                comment,
                actor.session_id,
            )
            if written:
                # No deadlock: on the rows of users, all other locks of a rating are those of foreign keys, which
                # this UPDATE does not conflict with.
                await transaction.fetch(
                    "UPDATE users SET rating_sum = rating_sum + $2, rating_count = rating_count + 1 WHERE id = $1",
                    subject.id,
                    stars,
                )
                return trip
            await self._sessions.require(transaction, actor.session_id)
            rows = await transaction.fetch(
                "SELECT stars, comment FROM ratings WHERE trip_id = $1 AND author_id = $2", trip_id, actor.id
            )
        if [(row["stars"], row["comment"]) for row in rows] != [(stars, comment)]:
            raise AlreadyRated("You have already rated this trip.")
        return trip

    async def received_by(self, user_id: UUID) -> RatingValue | None:
        """What a user was given so far; None without ratings. The caller must have checked the right to see it.

        Concurrent calls share one statement, here and in ``given_for``.
        """
        return await self._received.get(user_id)

    async def given_for(self, trip_id: UUID, author_id: UUID) -> int | None:
        """The stars that a party of a trip has given; None if it has given none yet."""
        return (await self._given.get(trip_id) or {}).get(author_id)

    async def _find_received(self, user_ids: Sequence[UUID]) -> dict[UUID, RatingValue]:
        rows = await self._database.fetch(
            "SELECT id, rating_sum, rating_count FROM users "
            f"WHERE {self._database.sql.among('id', 1)} AND rating_count > 0",
            list(user_ids),
        )
        return {
            uuid(row["id"]): RatingValue(round(row["rating_sum"] / row["rating_count"], 1), row["rating_count"])
            for row in rows
        }

    async def _find_given(self, trip_ids: Sequence[UUID]) -> dict[UUID, Mapping[UUID, int]]:
        rows = await self._database.fetch(
            f"SELECT trip_id, author_id, stars FROM ratings WHERE {self._database.sql.among('trip_id', 1)}",
            list(trip_ids),
        )
        found: dict[UUID, dict[UUID, int]] = {}
        for row in rows:
            found.setdefault(uuid(row["trip_id"]), {})[uuid(row["author_id"])] = row["stars"]
        return dict(found)
