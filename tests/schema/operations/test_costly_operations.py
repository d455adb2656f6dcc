"""Operations and bodies that are too large, over every transport."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from application.settings import Settings
from schema.operations import execution
from tests.conftest import SignUp
from tests.support.api import Api
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("cost")]

EVENTS = {"Accept": "text/event-stream"}
MODERN = {"Accept": "application/graphql-response+json"}
FORM = {"GraphQL-Require-Preflight": "1"}
JSON = {"Content-Type": "application/json"}
MAX_JSON = 32 * 1024

HISTORIES = " ".join(f"a{n}: history {{ at }}" for n in range(50))
COSTLY = f"{{ trips(first: 100) {{ nodes {{ {HISTORIES} }} }} }}"
COSTLY_BY_VARIABLE = f"query ($n: Int!) {{ trips(first: $n) {{ nodes {{ {HISTORIES} }} }} }}"
ATTACKS: dict[str, tuple[str, dict[str, Any], str]] = {
    "histories": (COSTLY, {}, "COST_ESTIMATED_TOO_EXPENSIVE"),
    "histories by variable": (COSTLY_BY_VARIABLE, {"n": 100}, "COST_ESTIMATED_TOO_EXPENSIVE"),
    "300 aliases": ("{ me {" + " ".join(f"a{n}: id" for n in range(300)) + "} }", {}, "MAX_ALIASES_LIMIT"),
    "log-ins": (
        'mutation { a: logIn(username: "a", password: "b") { token } '
        'b: logIn(username: "a", password: "c") { token } }',
        {},
        "COST_ESTIMATED_TOO_EXPENSIVE",
    ),
    "many mutations": (
        "mutation { " + " ".join(f"a{n}: logOut {{ errors {{ code }} }}" for n in range(21)) + " }",
        {},
        "MAX_ROOT_FIELDS_LIMIT",
    ),
    "a list": (
        "query ($s: [TripStatus!]) { trips(status: $s) { nodes { id } } }",
        {"s": ["EXPIRED"] * 101},
        "MAX_LIST_ITEMS_LIMIT",
    ),
    "the same again": ("{" + " me { id }" * 200 + "}", {}, "MAX_REPETITIONS_LIMIT"),
    "directives": ("{ me @skip(if: false) { id " + "@a" * 60 + " } }", {}, "MAX_DIRECTIVES_LIMIT"),
    "too deep": ("{ a" * 30 + " }" * 30, {}, "MAX_DEPTH_LIMIT"),
}


@pytest.fixture(scope="module")
def shared_settings(shared_settings: Settings) -> Settings:
    """The limit of JSON is half of that of a body."""
    return shared_settings.model_copy(update={"max_json_bytes": MAX_JSON, "max_message_bytes": MAX_JSON})


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    return error["extensions"]["code"]


async def still_answers(api: Api) -> None:
    assert (await api.data("{ me { id } }"))["id"] == api.user["id"]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_costly_operation_is_refused_over_every_transport(someone: SignUp, attack: str) -> None:
    query, variables, refused = ATTACKS[attack]
    rider = await someone("RIDER")
    body = {"query": query, "variables": variables}
    for headers in (None, MODERN):
        response = await rider.http.post("/graphql", json=body, headers=headers)
        assert (response.status_code, code(response)) == (400 if headers else 200, refused)
    response = await rider.http.get("/graphql", params={"query": query, "variables": json.dumps(variables)})
    assert code(response) == refused
    parts = {"operations": (None, json.dumps(body)), "map": (None, "{}")}
    assert code(await rider.http.post("/graphql", files=parts, headers=FORM)) == refused
    assert refused in (await rider.http.post("/graphql", json=body, headers=EVENTS)).text
    async with rider.socket() as socket:
        assert await (await socket.start(query, **variables)).error_code() == refused
        assert await (await socket.start("{ me { id } }")).next() == {"id": rider.user["id"]}
    await still_answers(rider)


async def test_a_refusal_has_the_estimate(someone: SignUp) -> None:
    rider = await someone("RIDER")
    response = await rider.http.post("/graphql", json={"query": COSTLY})
    (error,) = response.json()["errors"]
    assert error["extensions"]["cost"] == {"estimated": 100 * (16 + 50 * 32) + 201, "max": 50_000}
    assert error["message"] == "The operation would cost 161801: at most 50000."


async def test_a_subscription_is_estimated_too(someone: SignUp) -> None:
    driver = await someone("DRIVER")
    riders = " ".join(f"a{n}: rider {{ id firstName lastName role photo }}" for n in range(50))
    query = f"subscription {{ driverPool {{ ... on PoolSnapshot {{ offers {{ {riders} }} }} }} }}"
    async with driver.socket() as socket:
        assert await (await socket.start(query)).error_code() == "COST_ESTIMATED_TOO_EXPENSIVE"
    response = await driver.http.post("/graphql", json={"query": query}, headers=EVENTS)
    assert "COST_ESTIMATED_TOO_EXPENSIVE" in response.text
    await still_answers(driver)


async def test_of_many_reports_in_one_request_the_rate_lets_few_through(someone: SignUp) -> None:
    driver = await someone("DRIVER")
    point, now = "point: { lat: 1, lng: 1 }", datetime.now(UTC).isoformat()
    reports = " ".join(
        f'a{n}: reportLocation(input: {{ {point}, recordedAt: "{now}" }}) {{ errors {{ code }} }}'
        for n in range(20)
    )
    response = await driver.post(f"mutation {{ {reports} }}")
    assert response["data"] is None
    assert response["errors"][0]["extensions"]["code"] in ("RATE_LIMITED", "BAD_USER_INPUT")
    await still_answers(driver)


async def test_one_user_does_not_have_every_event_executed_in_many_ways(
    someone: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "MAX_GROUPS_A_USER", 2)
    driver, other = await someone("DRIVER"), await someone("DRIVER")

    def pool(name: str) -> str:
        return f"subscription {name} {{ driverPool {{ ... on PoolSnapshot {{ truncated }} }} }}"

    async with driver.socket() as one, driver.socket() as two, other.socket() as three:
        for socket, name in ((one, "A"), (one, "B"), (two, "A"), (two, "B"), (three, "C")):
            assert (await (await socket.start(pool(name))).next())["truncated"] is False
        refused = await two.start(pool("D"))
        assert await refused.error_code() == "TOO_MANY_OPERATIONS"
        response = await driver.http.post("/graphql", json={"query": pool("E")}, headers=EVENTS)
        assert "TOO_MANY_OPERATIONS" in response.text
        # A document that another user has sent before does not count.
        assert (await (await two.start(pool("C"))).next())["truncated"] is False
    async with driver.socket() as again:

        async def begins() -> bool:
            return (await (await again.start(pool("D"))).message())["type"] == "next"

        await until(begins)
    await still_answers(driver)


# Batches, and bodies.


@pytest.mark.parametrize("batch", [[], [{"query": "{ __typename }"}], [{"query": "{ __typename }"}] * 100])
async def test_batches_are_refused(someone: SignUp, batch: list[Any]) -> None:
    rider = await someone("RIDER")
    response = await rider.http.post("/graphql", json=batch)
    assert (response.status_code, code(response)) == (400, "BATCHING_NOT_SUPPORTED")
    parts = {"operations": (None, json.dumps(batch)), "map": (None, "{}")}
    response = await rider.http.post("/graphql", files=parts, headers=FORM)
    assert (response.status_code, code(response)) == (400, "BATCHING_NOT_SUPPORTED")
    async with rider.socket() as socket:
        await socket.connection.send(json.dumps(batch))
        assert (await socket.closed()).code == 4400
    await still_answers(rider)


async def test_json_has_a_limit_of_its_own_with_and_without_a_declared_length(someone: SignUp) -> None:
    rider = await someone("RIDER")
    start = b'{"query": "{ me { id } }", "variables": {"a": "'
    end = b'"}}'
    fits = start + b"a" * (MAX_JSON - len(start) - len(end)) + end
    assert (await rider.http.post("/graphql", content=fits, headers=JSON)).json()["data"]
    too_long = fits + b" "

    async def in_pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(too_long), 1024):
            yield too_long[at : at + 1024]

    for content in (too_long, in_pieces()):
        response = await rider.http.post("/graphql", content=content, headers=JSON)
        assert (response.status_code, code(response)) == (413, "PAYLOAD_TOO_LARGE")
    await still_answers(rider)


async def test_a_form_may_be_larger_than_json(someone: SignUp) -> None:
    rider = await someone("RIDER")
    parts = {
        "operations": (None, '{"query": "{ me { id } }", "variables": {"a": null}}'),
        "map": (None, '{"0": ["variables.a"]}'),
        "0": ("a.bin", b"a" * (MAX_JSON + 1), "application/octet-stream"),
    }
    assert (await rider.http.post("/graphql", files=parts, headers=FORM)).json()["data"]
