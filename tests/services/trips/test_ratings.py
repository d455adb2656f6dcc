"""Ratings: each party of a completed trip rates the other once, whatever happens at the same time."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.application import Application
from models.trip_life import TripStatus
from models.visibility import Actor
from services.accounts.passwords import Passwords
from services.database.connections import Database
from services.database.dialects import Row
from services.errors import BadInput, SessionEnded
from services.trips.faults import IllegalTransition, TripNotFound
from services.trips.ratings import AlreadyRated, Ratings, RatingValue
from tests.services.trips.test_trips_pages import statements
from tests.support.api import PASSWORD
from tests.support.database_rows import add_driver, add_rider, add_trip
from tests.support.processes import HASH_MEMORY_KIB

COMPLETED = TripStatus.COMPLETED
HASH = Passwords(concurrency=1, memory_kib=HASH_MEMORY_KIB)._hasher.hash(PASSWORD)  # pyright: ignore[reportPrivateUsage]


@dataclass
class Town:
    """A completed trip and its parties."""

    application: Application
    ratings: Ratings
    database: Database
    rider: Actor
    driver: Actor
    trip_id: UUID

    async def rows(self) -> list[tuple[UUID, UUID, int, str | None]]:
        """What is kept: author, subject, stars and comment."""
        rows = await self.database.fetch("SELECT author_id, subject_id, stars, comment FROM ratings ORDER BY id")
        return [_kept(row) for row in rows]

    async def outcome(self, actor: Actor, stars: int, comment: str | None = None) -> type[Exception] | None:
        try:
            await self.ratings.rate(actor, trip_id=self.trip_id, stars=stars, comment=comment)
        except Exception as error:  # the test compares them all
            return type(error)
        return None

    async def next_trip(self) -> None:
        self.trip_id = await add_trip(self.database, self.rider, status=COMPLETED, driver=self.driver)


def _kept(row: Row) -> Any:
    return UUID(str(row["author_id"])), UUID(str(row["subject_id"])), row["stars"], row["comment"]


@pytest.fixture
async def town(application: Application) -> Town:
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    trip_id = await add_trip(database, rider, status=COMPLETED, driver=driver)
    return Town(application, application.services.ratings, database, rider, driver, trip_id)


async def test_each_party_rates_the_other_and_the_average_is_rounded_to_a_tenth(town: Town) -> None:
    ratings = town.ratings
    assert await ratings.received_by(town.driver.id) is None
    for stars in (5, 5, 4):
        await town.next_trip()
        await ratings.rate(town.rider, trip_id=town.trip_id, stars=stars, comment=" Quick and kind. ")
    trip = await ratings.rate(town.driver, trip_id=town.trip_id, stars=1, comment="  ")

    assert trip.id == town.trip_id
    assert await ratings.received_by(town.driver.id) == RatingValue(4.7, 3)
    assert await ratings.received_by(town.rider.id) == RatingValue(1.0, 1)
    assert (await town.rows())[-2:] == [
        (town.rider.id, town.driver.id, 4, "Quick and kind."),
        (town.driver.id, town.rider.id, 1, None),
    ]
    assert await ratings.given_for(town.trip_id, town.rider.id) == 4
    assert await ratings.given_for(town.trip_id, town.driver.id) == 1
    assert await ratings.given_for(town.trip_id, uuid4()) is None
    assert not await town.database.fetch("SELECT id FROM outbox"), "a rating is no event"


async def test_the_same_rating_again_succeeds_and_counts_once_and_another_one_is_refused(town: Town) -> None:
    await town.ratings.rate(town.rider, trip_id=town.trip_id, stars=4, comment="Nice")
    await town.ratings.rate(town.rider, trip_id=town.trip_id, stars=4, comment="Nice ")
    for stars, comment in ((5, "Nice"), (4, "Nicer"), (4, None)):
        assert await town.outcome(town.rider, stars, comment) is AlreadyRated
    assert await town.ratings.received_by(town.driver.id) == RatingValue(4.0, 1)
    assert len(await town.rows()) == 1


@pytest.mark.attack("access")
async def test_only_the_parties_of_a_trip_rate_it(town: Town) -> None:
    for stranger in (await add_rider(town.database), await add_driver(town.database)):
        assert await town.outcome(stranger, 1) is TripNotFound
    # An open trip is visible to drivers, but is not theirs.
    open_id = await add_trip(town.database, town.rider)
    with pytest.raises(TripNotFound):
        await town.ratings.rate(town.driver, trip_id=open_id, stars=1)
    with pytest.raises(TripNotFound):
        await town.ratings.rate(town.rider, trip_id=uuid4(), stars=1)
    assert await town.rows() == []


@pytest.mark.parametrize("status", [status for status in TripStatus if status is not COMPLETED])
async def test_a_trip_that_is_not_completed_cannot_be_rated(town: Town, status: TripStatus) -> None:
    has_driver = status in (TripStatus.STARTED, TripStatus.IN_PROGRESS)
    town.trip_id = await add_trip(
        town.database, town.rider, status=status, driver=town.driver if has_driver else None
    )
    assert await town.outcome(town.rider, 5) is IllegalTransition
    assert await town.rows() == []


async def test_stars_and_comments_have_bounds(town: Town) -> None:
    for stars in (0, 6, -1, 10**9):
        assert await town.outcome(town.rider, stars) is BadInput
    for comment in ("x" * 1001, "a\x00b", "a\u202eb"):
        assert await town.outcome(town.rider, 5, comment) is BadInput
    assert await town.outcome(town.rider, 5, "x" * 1000) is None


async def test_one_statement_reads_the_ratings_of_many(town: Town) -> None:
    drivers = [await add_driver(town.database) for _ in range(5)]
    trips = [await add_trip(town.database, town.rider, status=COMPLETED, driver=driver) for driver in drivers]
    for number, trip_id in enumerate(trips):
        await town.ratings.rate(town.rider, trip_id=trip_id, stars=number + 1)
    with statements() as seen:
        found = await asyncio.gather(*(town.ratings.received_by(driver.id) for driver in drivers))
        given = await asyncio.gather(*(town.ratings.given_for(trip_id, town.rider.id) for trip_id in trips))
    assert found == [RatingValue(float(number + 1), 1) for number in range(5)]
    assert given == [1, 2, 3, 4, 5]
    assert len(seen) == 2


# At the same time


@pytest.mark.parametrize("stars", [(5,) * 6, (1, 2, 3, 4, 5, 5)], ids=["equal", "different"])
async def test_of_simultaneous_ratings_by_one_party_one_is_kept(town: Town, stars: tuple[int, ...]) -> None:
    total = 0
    for number in range(1, 11):
        await town.next_trip()
        outcomes = await asyncio.gather(*(town.outcome(town.rider, each) for each in stars))
        (kept,) = (await town.rows())[number - 1 :]
        total += kept[2]
        assert outcomes == [None if each == kept[2] else AlreadyRated for each in stars]
        assert await town.ratings.received_by(town.driver.id) == RatingValue(round(total / number, 1), number)


async def test_both_parties_rate_at_once_on_many_trips_and_every_star_is_counted(town: Town) -> None:
    trips = [await add_trip(town.database, town.rider, status=COMPLETED, driver=town.driver) for _ in range(20)]
    await asyncio.gather(
        *(
            town.ratings.rate(actor, trip_id=trip_id, stars=stars)
            for trip_id in trips
            for actor, stars in ((town.rider, 5), (town.driver, 3))
        )
    )
    assert await town.ratings.received_by(town.driver.id) == RatingValue(5.0, 20)
    assert await town.ratings.received_by(town.rider.id) == RatingValue(3.0, 20)


async def test_a_rating_beside_the_deletion_of_an_account_is_kept_or_finds_no_session(town: Town) -> None:
    deletions = town.application.services.deletions
    seen: Counter[Any] = Counter()
    for number in range(12):
        town.rider, town.driver = await add_rider(town.database), await add_driver(town.database)
        await town.next_trip()
        author, subject = (town.rider, town.driver) if number % 2 else (town.driver, town.rider)
        leaver = author if number % 4 < 2 else subject
        await town.database.fetch("UPDATE users SET password_hash = $2 WHERE id = $1", leaver.id, HASH)
        outcomes = await asyncio.gather(
            deletions.delete(leaver, password=PASSWORD), town.outcome(author, 4), town.outcome(subject, 2)
        )
        assert outcomes[0] is None
        for rater, outcome in ((author, outcomes[1]), (subject, outcomes[2])):
            # Somebody who stays rates the deleted account, too.
            assert outcome is None or (rater is leaver and outcome is SessionEnded)
            seen[outcome] += 1
        for rated, rater, outcome in ((subject, author, outcomes[1]), (author, subject, outcomes[2])):
            received = await town.ratings.received_by(rated.id)
            assert (received is not None) == (outcome is None)
            assert await town.ratings.given_for(town.trip_id, rater.id) == (
                None if outcome is not None else 4 if rater is author else 2
            )
    assert seen[None] >= 12


async def test_a_deleted_account_can_be_rated_and_its_ratings_stay(town: Town) -> None:
    await town.database.fetch("UPDATE users SET password_hash = $2 WHERE id = $1", town.driver.id, HASH)
    await town.ratings.rate(town.driver, trip_id=town.trip_id, stars=2, comment="Late")
    await town.application.services.deletions.delete(town.driver, password=PASSWORD)
    await town.ratings.rate(town.rider, trip_id=town.trip_id, stars=5)
    assert await town.ratings.received_by(town.rider.id) == RatingValue(2.0, 1)
    assert await town.ratings.received_by(town.driver.id) == RatingValue(5.0, 1)
    with pytest.raises(SessionEnded):
        await town.ratings.rate(town.driver, trip_id=town.trip_id, stars=2, comment="Late")
