"""Times are parsed as Strawberry parses them."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.schema.types.base_scalars import DateTimeDefinition

from schema.api.date_time import parse_date_time


def outcome(parse: object, value: object) -> object:
    """The time and its offset, or the error."""
    assert callable(parse)
    try:
        moment = parse(value)
    except Exception as error:
        return type(error), str(error)
    assert isinstance(moment, datetime)
    return moment.isoformat(), moment.utcoffset()


def is_read_alike(value: object) -> None:
    assert outcome(parse_date_time, value) == outcome(DateTimeDefinition.parse_value, value), value


OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=OFFSETS | st.none()), st.sampled_from(["auto", "seconds", "milliseconds"]))
@settings(max_examples=200)
def test_times_in_the_usual_forms_of_clients_are_parsed_as_by_strawberry(moment: datetime, precision: str) -> None:
    is_read_alike(moment.isoformat(timespec=precision))
    is_read_alike(moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z")


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:59:60Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00-00:00",
        "2026-01-01T00:00:00.1234567Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00Z",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "2026-01-01",
        "0000-01-01T00:00:00Z",
        "\u0662026-01-01T00:00:00Z",
        "2026-01-01T00:00:00z",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        "never",
        "",
        1,
        None,
        True,
    ],
)
def test_unusual_and_invalid_times_are_handled_as_by_strawberry(value: object) -> None:
    is_read_alike(value)
