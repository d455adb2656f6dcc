"""The rules of a trip's life and of its visibility as SQL."""

import pytest

from application.application import Application
from models.trip_life import ACTIVE, DRIVING, ENDED, OPEN, TripStatus
from models.visibility import may_take
from services.database.dialects import uuid
from services.trips import conditions
from services.trips import rows as trip_rows
from tests.support.database_rows import WITH_DRIVER, add_driver, add_rider, add_trip


async def test_a_driver_may_accept_the_same_trips_in_sql_and_in_python(application: Application) -> None:
    database = application.database
    rider, driver, other = await add_rider(database), await add_driver(database), await add_driver(database)
    trips = [
        await trip_rows.find(
            database,
            await add_trip(
                database,
                rider,
                status=status,
                driver=await add_driver(database) if status in WITH_DRIVER else None,
                given_back_by=given_back_by,
            ),
        )
        for status in TripStatus
        for given_back_by in (None, driver, other)
    ]

    rows = await database.fetch(
        f"SELECT id FROM trips t WHERE {conditions.may_take('$1', 't')}", conditions.listed(driver.id)
    )

    may = {trip.id for trip in trips if trip is not None and may_take(driver.id, trip)}
    assert {uuid(row["id"]) for row in rows} == may
    assert len(may) == 2


@pytest.mark.parametrize(
    ("statuses", "condition"),
    [
        (OPEN, "t.status = 'REQUESTED'"),
        (DRIVING, "t.status IN ('STARTED', 'IN_PROGRESS')"),
        (ACTIVE, "t.status IN ('REQUESTED', 'STARTED', 'IN_PROGRESS')"),
        (ENDED, "t.status IN ('COMPLETED', 'CANCELLED', 'EXPIRED')"),
    ],
)
def test_a_condition_has_the_text_of_the_partial_indexes(statuses: frozenset[TripStatus], condition: str) -> None:
    assert conditions.has_status(statuses, "t") == condition
