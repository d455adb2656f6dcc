"""Ratings in the admin: staff read the comments."""

import csv
import io

import pytest

from models.trip_life import TripStatus
from tests.conftest import LiveServer
from tests.support.database_rows import add_driver, add_rider, add_trip
from tests.support.staff import StaffBrowser


@pytest.mark.parametrize("backend", ["embedded", "production"])
async def test_ratings_are_found_by_subject_author_stars_and_comment(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    application = live_server.application
    database, ratings = application.database, application.services.ratings
    rider, other, driver = await add_rider(database), await add_rider(database), await add_driver(database)
    for author, stars, comment in ((rider, 5, "=1+1 <b>kind</b>"), (other, 2, None), (rider, 4, "Slow")):
        trip_id = await add_trip(database, author, status=TripStatus.COMPLETED, driver=driver)
        await ratings.rate(author, trip_id=trip_id, stars=stars, comment=comment)
    await ratings.rate(driver, trip_id=trip_id, stars=1)

    about_rider, slow, silent, kind = await staff.rows("rating")
    assert await staff.rows("rating", q=str(rider.id)) == [about_rider, slow, kind]
    assert await staff.rows("rating", q=str(trip_id)) == [about_rider, slow]
    assert await staff.rows("rating", q=driver.user.username) == [about_rider, slow, silent, kind]
    assert await staff.rows("rating", q="slow") == [slow]
    assert await staff.rows("rating", filter="stars__in=1,2") == [about_rider, silent]
    assert await staff.rows("rating", filter="comment__contains=kind") == [kind]

    page = (await staff.get("/user/detail", pk=str(driver.id))).text
    shown = page.split('id="ratings"')[1]
    assert shown.index(rider.user.username) < shown.index("=1+1 &lt;b&gt;kind&lt;/b&gt;")
    assert "5 of 5 stars" in shown
    assert "<b>kind</b>" not in page
    detail = (await staff.get("/rating/detail", pk=slow)).text
    assert "Slow" in detail
    assert str(trip_id) in detail
    exported = (await staff.export("rating")).text
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert [row["Comment"] for row in rows][-1] == "'=1+1 <b>kind</b>"
