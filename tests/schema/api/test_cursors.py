"""Cursors may be any text from a client."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.api import cursors
from services.errors import BadInput
from tests.conftest import SignUp
from tests.support.api import TRIPS

TRIP_ID = "8b7d1b6e-5f0a-4a52-9b0a-3d8e4f1c2a77"


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def test_a_cursor_is_read_as_the_moment_and_the_id() -> None:
    moment = datetime(2026, 11, 23, 1, 2, 3, 456789, UTC)
    assert cursors.decode(cursor(f"{moment.isoformat()}|{TRIP_ID}")) == (moment, UUID(TRIP_ID))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        f"|{TRIP_ID}",
        "2026-11-23T01:02:03+00:00|",
        f"2026-11-23T01:02:03|{TRIP_ID}",
        f"yesterday|{TRIP_ID}",
        f"0001-01-01T00:00:00+23:59|{TRIP_ID}",
        f"9999-12-31T23:59:59-23:59|{TRIP_ID}",
        f"2026-11-23T01:02:03+00:00|{TRIP_ID}|",
        f"2026-11-23T01:02:03+00:00|\x00{TRIP_ID}",
    ],
)
def test_an_invalid_cursor_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        cursors.decode(cursor(text))
    assert refused.value.field == ("after",)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_every_text_is_a_cursor_or_bad_input(text: str) -> None:
    try:
        moment, trip_id = cursors.decode(text)
    except BadInput:
        return
    assert moment.tzinfo is UTC
    assert isinstance(trip_id, UUID)


async def test_the_first_and_last_day_of_the_calendar_are_valid_places_in_the_list(person: SignUp) -> None:
    rider = await person("RIDER")
    trip = await rider.create_trip()
    late = await rider.data(TRIPS, after=cursor(f"9999-12-31T23:59:59.999999+00:00|{TRIP_ID}"))
    early = await rider.data(TRIPS, after=cursor(f"0001-01-01T00:00:00+00:00|{TRIP_ID}"))
    assert [node["id"] for node in late["nodes"]] == [trip["id"]]
    assert early["nodes"] == []
