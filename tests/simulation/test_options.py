from typing import Any

import pytest

from simulation.city import City
from simulation.geo import GeoPoint
from simulation.options import Options, OptionsError, point, server_url

URL = "http://localhost:8000"


@pytest.mark.parametrize("text", [URL, URL + "/", URL + "/graphql", URL + "/graphql/"])
def test_the_address_may_be_that_of_the_page(text: str) -> None:
    assert server_url(text) == URL
    assert server_url(text.replace("http:", "https:")) == URL.replace("http:", "https:")


@pytest.mark.parametrize(
    "text",
    ["", "localhost:8000", "ftp://localhost", "http://", "http://a:x", "http://a/b", "http://[::1", "http://a?b"],
)
def test_an_invalid_address_is_named_in_one_line(text: str) -> None:
    with pytest.raises(OptionsError, match="is not the address of a server"):
        server_url(text)


def test_a_position_is_a_latitude_and_a_longitude() -> None:
    assert point("52.3702, 4.8952") == GeoPoint(52.3702, 4.8952)


@pytest.mark.parametrize("text", ["", "52", "52,4,1", "here,there", "91,0", "0,181", "nan,0", "inf,0"])
def test_an_invalid_position_is_named(text: str) -> None:
    with pytest.raises(OptionsError, match="--center"):
        point(text)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"riders": 0}, "--riders"),
        ({"drivers": 0}, "--drivers"),
        ({"seconds": 0}, "--seconds"),
        ({"requests_per_minute": 0}, "--requests-per-minute"),
        ({"report_every_s": 0.1}, "--report-every-s"),
        ({"speed_up": 0}, "--speed-up"),
        ({"speed_up": float("nan")}, "--speed-up"),
        ({"city": City(GeoPoint(0, 0), 99)}, "--radius-m"),
        ({"city": City(GeoPoint(0, 0), 50_001)}, "--radius-m"),
    ],
)
def test_an_option_out_of_its_bounds_is_named(changes: dict[str, Any], name: str) -> None:
    Options(URL)
    with pytest.raises(OptionsError, match=f"^{name}: must"):
        Options(URL, **changes)
