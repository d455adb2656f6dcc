"""Every numeric setting has a minimum and a maximum; with all of either the server works."""

import re
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import pytest
from annotated_types import Ge, Le

from application.settings import PREFIX, Settings, SettingsError, load_settings
from tests.conftest import people, serving
from tests.support.api import PASSWORD

RATES = [name for name in Settings.model_fields if name.endswith("_rate")]


def number_type(name: str) -> type[int] | type[float] | None:
    """The type of a numeric setting; None: it is not a number."""
    annotation = Settings.model_fields[name].annotation
    types = set(get_args(annotation)) - {NoneType} if get_origin(annotation) is UnionType else {annotation}
    return next((type_ for type_ in (int, float) if types == {type_}), None)


NUMBERS = [name for name in Settings.model_fields if number_type(name) is not None]


def bound(name: str, kind: type[Ge] | type[Le]) -> Any:
    """The minimum or maximum of a setting."""
    (found,) = (item for item in Settings.model_fields[name].metadata if isinstance(item, kind))
    return found.ge if isinstance(found, Ge) else found.le


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_just_outside_its_bounds_is_refused_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    step = 1 if number_type(name) is int else 0.01
    outside = {bound(name, Ge) - step: bound(name, Ge), bound(name, Le) + step: bound(name, Le)}
    for value in (*outside, 253402300800, "inf", "nan", "9" * 5000):
        monkeypatch.setenv(PREFIX + name.upper(), str(value))
        with pytest.raises(SettingsError, match=rf"^{PREFIX}{name.upper()}: [^\n]+\Z") as refused:
            load_settings()
        if value in outside:
            shown = re.search(r"than or equal to (\S+)$", str(refused.value))
            assert shown is not None
            assert float(shown[1]) == outside[value]


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("value", ["0/minute", "1000000/minute", "1/year", "inf/minute", "-1/day"])
def test_a_rate_outside_its_bounds_is_refused_in_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PREFIX + name.upper(), value)
    with pytest.raises(SettingsError, match=rf"^{PREFIX}{name.upper()}: [^\n]*1 to 999999[^\n]*\Z"):
        load_settings()


async def works(settings: Settings) -> None:
    """A server with these settings starts, and answers a sign-up and a request for a trip."""
    async with serving(settings) as server, people(server) as person:
        rider = await person()
        name = {"username": "ann@example.com", "firstName": "Ann", "lastName": "Lee", "role": "RIDER"}
        fields = {**name, "password1": PASSWORD, "password2": PASSWORD}
        signed_up = await rider.data("mutation($i:SignUpInput!){signUp(input:$i){user{id}errors{code}}}", i=fields)
        assert signed_up["errors"] == []
        places = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street"}
        made = await rider.data(
            "mutation($i:CreateTripInput!){createTrip(input:$i){trip{id}errors{code}}}", i=places
        )
        assert made["errors"] == []


async def test_a_server_works_with_every_setting_at_its_maximum(settings: Settings) -> None:
    extremes = {name: bound(name, Le) for name in NUMBERS} | dict.fromkeys(RATES, "999999/second")
    # The test runs one process, on a free port.
    await works(settings.model_copy(update=extremes | {"port": 0, "workers": 1}))


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_a_server_works_with_every_setting_at_its_minimum(settings: Settings) -> None:
    extremes = {name: bound(name, Ge) for name in NUMBERS} | dict.fromkeys(RATES, "1/day")
    await works(settings.model_copy(update=extremes))
