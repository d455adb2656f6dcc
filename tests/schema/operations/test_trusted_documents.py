"""A server that runs only the documents of a list."""

import json
from typing import Any

import httpx
import pytest

from application.settings import Settings
from tests.conftest import SignUp
from tests.support.api import MY_TRIPS, SIGN_UP, Api
from tests.support.manifests import apollo_manifest, hash_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS = {"Accept": "text/event-stream"}
ME = "query Me { me { id } }"
PAGE = (
    "query Page($first: Int!) { trips(first: $first) { nodes { id "
    + " ".join(f"a{n}: history {{ at }}" for n in range(8))
    + " } } }"
)
LOG_OUT = "mutation LogOut { logOut { errors { code } } }"
LISTED = (ME, PAGE, LOG_OUT, MY_TRIPS, SIGN_UP)
UNLISTED = "query Unlisted { me { id role } }"


@pytest.fixture(scope="module")
def shared_settings(shared_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A server with a list of trusted documents."""
    manifest = tmp_path_factory.mktemp("trusted") / "manifest.json"
    manifest.write_text(json.dumps(apollo_manifest(*LISTED)), encoding="utf-8")
    return shared_settings.model_copy(update={"trusted_documents": manifest, "max_cost": 26_000})


def by_hash(query: str) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_of(query)}}}


async def post(api: Api, headers: dict[str, str] | None = None, /, **body: Any) -> httpx.Response:
    return await api.http.post("/graphql", json=body, headers=headers)


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    return error["extensions"]["code"]


@pytest.mark.parametrize(
    "reference",
    [
        by_hash(ME),
        {"query": "", **by_hash(ME)},
        {"query": ME, **by_hash(ME)},
        {"query": ME},
        {"documentId": hash_of(ME)},
        {"documentId": "sha256:" + hash_of(ME)},
        {"id": hash_of(ME)},
    ],
    ids=["hash", "hash and no text", "hash and text", "text", "document id", "prefixed", "id"],
)
async def test_a_listed_document_runs_however_it_is_named(someone: SignUp, reference: dict[str, Any]) -> None:
    rider = await someone("RIDER")
    answer = {"data": {"me": {"id": rider.user["id"]}}}
    assert (await post(rider, **reference)).json() == answer
    params = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in reference.items()}
    assert (await rider.http.get("/graphql", params=params)).json() == answer
    async with rider.socket() as socket:
        await socket.send(type="subscribe", id="1", payload=reference)
        assert (await socket.receive("1"))["payload"] == answer


async def test_a_listed_subscription_runs_over_sockets_and_event_streams(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        await socket.send(type="subscribe", id="1", payload=by_hash(MY_TRIPS))
        assert (await socket.receive("1"))["type"] == "next"
    async with rider.http.stream("POST", "/graphql", json=by_hash(MY_TRIPS), headers=EVENTS) as events:
        lines = events.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == [":", "", "event: next"]


@pytest.mark.attack("cost")
@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"query": UNLISTED}, "QUERY_NOT_IN_SAFELIST"),
        ({"query": ME + " "}, "QUERY_NOT_IN_SAFELIST"),
        ({"query": "{ __schema { types { name } } }"}, "QUERY_NOT_IN_SAFELIST"),
        ({"query": "{ me { passwor } }"}, "QUERY_NOT_IN_SAFELIST"),
        ({"query": UNLISTED, **by_hash(UNLISTED)}, "PERSISTED_QUERY_NOT_IN_LIST"),
        ({"query": UNLISTED, **by_hash(ME)}, "QUERY_NOT_IN_SAFELIST"),
        ({"query": PAGE, **by_hash(ME)}, "PERSISTED_QUERY_HASH_MISMATCH"),
        (by_hash(UNLISTED), "PERSISTED_QUERY_NOT_IN_LIST"),
        ({"documentId": hash_of(UNLISTED)}, "PERSISTED_QUERY_NOT_IN_LIST"),
        ({"id": "../manifest.json"}, "PERSISTED_QUERY_NOT_IN_LIST"),
    ],
)
async def test_an_unlisted_document_does_not_run(someone: SignUp, body: dict[str, Any], refused: str) -> None:
    rider = await someone("RIDER")
    # Twice: a server that treated it as an automatic persisted query would know it now.
    for _ in range(2):
        assert code(await post(rider, **body)) == refused
    params = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in body.items()}
    assert code(await rider.http.get("/graphql", params=params)) == refused
    response = await rider.http.post("/graphql", json=body, headers=EVENTS)
    assert refused in response.text
    async with rider.socket() as socket:
        await socket.send(type="subscribe", id="1", payload=body)
        (error,) = (await socket.receive("1"))["payload"]
        assert error["extensions"]["code"] == refused
    assert (await post(rider, **by_hash(ME))).json() == {"data": {"me": {"id": rider.user["id"]}}}


@pytest.mark.attack("cost")
async def test_the_limits_hold_for_the_variables_of_a_listed_document(someone: SignUp) -> None:
    rider = await someone("RIDER")
    assert "data" in (await post(rider, **by_hash(PAGE), variables={"first": 10})).json()
    refused = await post(rider, **by_hash(PAGE), variables={"first": 100})
    assert code(refused) == "COST_ESTIMATED_TOO_EXPENSIVE"


@pytest.mark.attack("cost")
async def test_a_listed_mutation_cannot_be_sent_by_get(someone: SignUp) -> None:
    rider = await someone("RIDER")
    params = {"extensions": json.dumps(by_hash(LOG_OUT)["extensions"])}
    assert (await rider.http.get("/graphql", params=params)).status_code == 405
    assert (await rider.data(ME))["id"] == rider.user["id"]


async def test_a_server_with_trusted_documents_has_no_graphiql(stranger: Api) -> None:
    response = await stranger.http.get("/graphql", headers={"Accept": "text/html"})
    assert response.status_code in (400, 406)
    assert "<html" not in response.text
