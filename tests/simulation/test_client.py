from datetime import UTC, datetime
from random import Random

import pytest

from application.settings import Settings
from simulation import operations
from simulation.accounts import Registration, SignUpFailed
from simulation.client import Client, Limited, Refused, Unanswered, http_client
from simulation.counts import Counts
from simulation.habits import Habits
from tests.conftest import LiveServer, serving


async def test_each_client_is_the_user_of_its_token(live_server: LiveServer) -> None:
    counts, names = Counts(), list[int]()
    async with http_client(live_server.url, connections=1) as http:
        registration = Registration(http, counts, Habits(Random(1), speed_up=1), lambda: names.append(1))
        driver, rider = await registration.sign_up("DRIVER", 1), await registration.sign_up("RIDER", 1)
        roles = [
            (await Client(http, counts, each.token).ask(operations.PROBE))["role"] for each in (driver, rider)
        ]
        # A sign-up sets a cookie, which no client keeps.
        assert await Client(http, counts).ask(operations.PROBE) is None
    assert roles == ["DRIVER", "RIDER"]
    assert len(names) == 2


async def test_a_rate_limit_says_when_to_try_again(settings: Settings) -> None:
    counts = Counts()
    async with (
        serving(settings.model_copy(update={"location_rate": "1/hour"})) as server,
        http_client(server.url, connections=1) as http,
    ):
        registration = Registration(http, counts, Habits(Random(1), speed_up=1), lambda: None)
        driver = Client(http, counts, (await registration.sign_up("DRIVER", 1)).token)
        position = {"point": {"lat": 52.0, "lng": 4.0}, "recordedAt": datetime.now(UTC).isoformat()}
        await driver.ask(operations.REPORT_LOCATION, input=position)
        with pytest.raises(Limited) as limited:
            await driver.ask(operations.REPORT_LOCATION, input=position)
    assert 3_500 < limited.value.retry_after_s <= 3_600
    assert (counts.rate_limited, counts.errors) == (1, {})


async def test_a_server_that_limits_sign_ups_from_one_address_stops_the_simulation(settings: Settings) -> None:
    strict = {"sign_up_rate": "1/hour", "public_url": "http://127.0.0.1"}
    async with (
        serving(settings.model_copy(update=strict)) as server,
        http_client(server.url, connections=1) as http,
    ):
        registration = Registration(http, Counts(), Habits(Random(1), speed_up=1), lambda: None)
        await registration.sign_up("DRIVER", 1)
        with pytest.raises(SignUpFailed, match="set TAXIRANK_SIGN_UP_RATE=off there"):
            await registration.sign_up("DRIVER", 2)


async def test_failures_are_counted_by_their_kind(live_server: LiveServer) -> None:
    counts = Counts()
    async with http_client(live_server.url, connections=1) as http:
        stranger = Client(http, counts)
        with pytest.raises(Refused, match="UNAUTHENTICATED"):
            await stranger.change("6f1c2f7e-3ef5-4f54-8c2a-0d9b4f1c7e11", "STARTED")
    async with http_client("http://127.0.0.1:1", connections=1) as http:
        with pytest.raises(Unanswered, match="ConnectError"):
            await Client(http, counts).ask(operations.PROBE)
    assert counts.errors == {"UNAUTHENTICATED": 1, "ConnectError": 1}
    assert counts.http_requests == 2
