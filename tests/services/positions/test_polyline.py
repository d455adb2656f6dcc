"""Lines as text: what others wrote is read, and what is written is read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.geo import GeoPoint
from services.positions.polyline import decode, encode

# The example of Google's description of the format.
LINE = [GeoPoint(38.5, -120.2), GeoPoint(40.7, -120.95), GeoPoint(43.252, -126.453)]
TEXT = "_p~iF~ps|U_ulLnnqC_mqNvxq`@"


def test_the_example_of_the_format_is_written_and_read() -> None:
    assert encode(LINE) == TEXT
    assert decode(TEXT) == LINE
    assert encode([]) == ""
    assert decode("") == []


@given(st.lists(st.tuples(st.integers(-9_000_000, 9_000_000), st.integers(-18_000_000, 18_000_000)), max_size=20))
def test_any_line_on_earth_comes_back(line: list[tuple[int, int]]) -> None:
    points = [GeoPoint(lat / 1e5, lng / 1e5) for lat, lng in line]
    assert decode(encode(points)) == points


@pytest.mark.parametrize("text", [TEXT[:-1], "_p~iF", " ", "\x7f\x7f", "\u20ac", "~" * 50 + "?", "ggggggA?"])
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="polyline"):
        decode(text)
