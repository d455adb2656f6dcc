"""No mutation can be repeated without end."""

from datetime import UTC, datetime

import pytest

from application.settings import Settings
from models.values import Role
from schema.build import build_schema
from tests.conftest import serving
from tests.support.api import PASSWORD, Api
from tests.support.attacks import Attack
from tests.support.database_rows import add_person

pytestmark = [pytest.mark.attack("abuse"), pytest.mark.parametrize("backend", ["embedded"], indirect=True)]

SCHEMA = build_schema()._schema  # pyright: ignore[reportPrivateUsage]
NOBODY = "00000000-0000-4000-8000-000000000000"
# A call of each mutation, by a driver except for `createTrip`.
MUTATIONS = {
    "signUp": f'input: {{username: "new", password1: "{PASSWORD}", password2: "{PASSWORD}", firstName: "New", '
    'lastName: "One", role: RIDER}',
    "logIn": 'username: "nobody", password: "x"',
    "changePassword": f'input: {{currentPassword: "x", password1: "{PASSWORD}", password2: "{PASSWORD}"}}',
    "deleteMe": 'password: "x"',
    "changeEmail": 'input: {email: "new@mail.example", currentPassword: "x"}',
    "requestEmailVerification": "",
    "requestPasswordReset": 'username: "nobody"',
    "updateMe": 'input: {firstName: "Other"}',
    "setOnDuty": "onDuty: true",
    "setVehicle": 'input: {make: "Skoda", model: "Fabia", color: "red", licensePlate: "AB-1", seats: 4}',
    "registerPushSubscription": 'input: {endpoint: "https://push.example/1", p256dh: "x", auth: "x"}',
    "removePushSubscription": 'endpoint: "https://push.example/1"',
    "createTrip": 'input: {pickUpAddress: "Here", dropOffAddress: "There"}',
    "updateTrip": f'input: {{id: "{NOBODY}", status: STARTED}}',
    "rateTrip": f'tripId: "{NOBODY}", stars: 5',
    "reportArrival": f'tripId: "{NOBODY}"',
    "reportLocation": 'input: {point: {lat: 52.5, lng: 13.4}, recordedAt: "$NOW"}',
}
# It ends the session that it needs.
UNLIMITED = {"logOut"}
# They count by the client's network, and this machine is none: see tests/services/accounts/test_recovery.py.
BY_NETWORK = {"resetPassword", "verifyEmail"}
# Ten times as many for one name.
MOST_TRIES = 11


@pytest.fixture
def settings(settings: Settings) -> Settings:
    rates = ("log_in_rate", "sign_up_rate", "trip_rate", "location_rate", "recovery_rate")
    return settings.model_copy(update=dict.fromkeys(rates, "1/day"))


async def test_every_mutation_counts_toward_a_rate(settings: Settings, attempts: Attack) -> None:
    assert SCHEMA.mutation_type is not None
    decided = set(MUTATIONS) | UNLIMITED | BY_NETWORK
    assert set(SCHEMA.mutation_type.fields) == decided, "nobody has decided how often"
    async with serving(settings) as server:
        for name, arguments in MUTATIONS.items():
            person = await add_person(
                server.application.database, Role.RIDER if name == "createTrip" else Role.DRIVER
            )
            session = await server.application.services.sessions.begin(person.user)
            now = datetime.now(UTC).isoformat()
            given = f"({arguments})" if arguments else ""
            query = f"mutation {{ {name}{given} {{ errors {{ code }} }} }}".replace("$NOW", now)
            async with Api(server.url) as api:
                api.http.headers["Authorization"] = f"Bearer {session.token}"
                first = await api.post(query)
                tries = MOST_TRIES if name == "requestPasswordReset" else 1
                answers = [await api.post(query) for _ in range(tries)]
            attempts.add()
            assert "errors" not in first, (name, first)
            assert "errors" in answers[-1], f"{name} counts toward no rate"
            assert answers[-1]["errors"][0]["extensions"]["code"] == "RATE_LIMITED", (name, answers[-1])
