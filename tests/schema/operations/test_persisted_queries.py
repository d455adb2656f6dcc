"""Queries by the hash of their text: automatic persisted queries."""

import json
from typing import Any

import httpx
import pytest

from tests.conftest import SignUp
from tests.support.api import MY_TRIPS, Api
from tests.support.manifests import hash_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS = {"Accept": "text/event-stream"}


def extensions(query: str, **changes: Any) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_of(query), **changes}}


async def post(api: Api, headers: dict[str, str] | None = None, /, **body: Any) -> httpx.Response:
    return await api.http.post("/graphql", json=body, headers=headers)


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    return error["extensions"]["code"]


async def test_a_query_that_was_sent_with_its_hash_is_known_by_it(stranger: Api) -> None:
    query = "query Known { me { id } }"
    response = await post(stranger, extensions=extensions(query))
    (error,) = response.json()["errors"]
    # Apollo compares the code or the message, urql the message.
    assert (error["message"], error["extensions"]["code"]) == (
        "PersistedQueryNotFound",
        "PERSISTED_QUERY_NOT_FOUND",
    )
    assert (await post(stranger, query=query, extensions=extensions(query))).json() == {"data": {"me": None}}
    for reference in (
        {"extensions": extensions(query)},
        {"extensions": extensions(query), "query": ""},
        {"documentId": hash_of(query)},
        {"documentId": f"sha256:{hash_of(query)}"},
        {"id": hash_of(query)},
    ):
        assert (await post(stranger, **reference)).json() == {"data": {"me": None}}, reference
        params = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in reference.items()}
        response = await stranger.http.get("/graphql", params=params)
        assert response.json() == {"data": {"me": None}}, reference


async def test_a_persisted_query_is_known_over_sockets_and_event_streams_too(someone: SignUp) -> None:
    rider = await someone("RIDER")
    known = {"query": MY_TRIPS, "extensions": extensions(MY_TRIPS)}
    async with rider.socket() as socket:
        for id, payload in (
            ("1", known),
            ("2", {"extensions": extensions(MY_TRIPS)}),
            ("3", {"documentId": hash_of(MY_TRIPS)}),
        ):
            await socket.send(type="subscribe", id=id, payload=payload)
            assert (await socket.receive(id))["type"] == "next"
    async with rider.http.stream(
        "POST", "/graphql", json={"extensions": extensions(MY_TRIPS)}, headers=EVENTS
    ) as events:
        lines = events.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == [":", "", "event: next"]


@pytest.mark.attack("cost")
async def test_a_hash_never_means_another_text(stranger: Api) -> None:
    query, other = "query Honest { me { id } }", "query Other { me { role } }"
    refused = await post(stranger, query=other, extensions=extensions(query))
    assert code(refused) == "PERSISTED_QUERY_HASH_MISMATCH"
    assert code(await post(stranger, extensions=extensions(query))) == "PERSISTED_QUERY_NOT_FOUND"
    await post(stranger, query=query, extensions=extensions(query))
    refused = await post(stranger, query=other, extensions=extensions(query))
    assert code(refused) == "PERSISTED_QUERY_HASH_MISMATCH"
    params = {"query": other, "extensions": json.dumps(extensions(query))}
    assert code(await stranger.http.get("/graphql", params=params)) == "PERSISTED_QUERY_HASH_MISMATCH"
    assert (await post(stranger, extensions=extensions(query))).json() == {"data": {"me": None}}
    assert code(await post(stranger, extensions=extensions(query, sha256Hash=hash_of(query).upper()))) == (
        "PERSISTED_QUERY_NOT_FOUND"
    )


@pytest.mark.attack("cost")
async def test_a_hash_never_means_another_text_over_a_socket(someone: SignUp) -> None:
    rider = await someone("RIDER")
    known = "query Honest { me { id role } }"
    async with rider.socket() as socket:
        for id, query, kind in (("1", known, "next"), ("2", MY_TRIPS, "error"), ("3", known, "next")):
            payload = {"query": query, "extensions": extensions(known)}
            await socket.send(type="subscribe", id=id, payload=payload)
            message = await socket.receive(id)
            assert message["type"] == kind
            if kind == "error":
                assert message["payload"][0]["extensions"]["code"] == "PERSISTED_QUERY_HASH_MISMATCH"


@pytest.mark.attack("cost")
async def test_a_mutation_by_hash_cannot_be_sent_by_get(someone: SignUp) -> None:
    rider = await someone("RIDER")
    query = "mutation { logOut { errors { code } } }"
    assert code(await post(rider, extensions=extensions(query))) == "PERSISTED_QUERY_NOT_FOUND"
    stranger = await someone()
    await post(stranger, query=query, extensions=extensions(query))
    response = await rider.http.get("/graphql", params={"extensions": json.dumps(extensions(query))})
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert (await rider.data("{ me { id } }"))["id"] == rider.user["id"]


@pytest.mark.attack("cost")
@pytest.mark.parametrize(
    "query",
    [
        "{ me { id }",
        "{ me { nothing } }",
        "{ me {" + " id" * 200 + " } }",
        "{ me { " + " ".join(f"a{n}: id" for n in range(51)) + " } }",
        "mutation { "
        + " ".join(f'a{n}: logIn(username: "a", password: "b") {{ token }}' for n in range(2))
        + " }",
        "{ me { id } }".ljust(40_000),
    ],
    ids=["broken", "invalid", "repetitive", "aliases", "costly", "long"],
)
async def test_a_query_that_may_not_run_is_not_remembered(stranger: Api, query: str) -> None:
    assert "data" not in (await post(stranger, query=query, extensions=extensions(query))).json()
    assert code(await post(stranger, extensions=extensions(query))) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.attack("cost")
@pytest.mark.parametrize(
    "body",
    [
        {"extensions": {"persistedQuery": []}},
        {"extensions": {"persistedQuery": {}}},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "a" * 64}}},
        {"extensions": {"persistedQuery": {"version": "1", "sha256Hash": "a" * 64}}},
        {"extensions": {"persistedQuery": {"version": 1}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": ["a"]}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": ""}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 1}}, "query": "{ __typename }"},
        {"documentId": {}},
        {"documentId": ""},
        {"id": 1},
        {"query": 1, "documentId": "a"},
    ],
)
async def test_a_malformed_reference_is_refused(someone: SignUp, body: dict[str, Any]) -> None:
    rider = await someone("RIDER")
    response = await post(rider, **body)
    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")
    async with rider.socket() as socket:
        await socket.send(type="subscribe", id="1", payload=body)
        assert (await socket.closed()).code == 4400
    assert (await rider.data("{ me { id } }"))["id"] == rider.user["id"]
