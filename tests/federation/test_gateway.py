"""The server as a subgraph, composed by Apollo's own code, and asked through Apollo's gateway."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import LiveServer, SignUp
from tests.support.api import LOG_IN, PASSWORD, Api

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)

RECEIPTS = """{ receipts { number
    trip { status pickUpAddress rider { firstName points } } payer { username firstName points } } }"""
TRIPS = """{ trips(first: 5) {
    nodes { id status receipt { number payer { id firstName } } } pageInfo { hasNextPage } } }"""


async def token_of(api: Api) -> str:
    """A token for the person, beside their cookie."""
    answer = await api.data(LOG_IN, username=api.user["username"], password=PASSWORD, issueToken=True)
    return answer["token"]


async def ask(
    gateway: Path, server: LiveServer, receipts: list[dict[str, Any]], *questions: dict[str, Any]
) -> dict[str, Any]:
    """What the gateway answers."""
    process = await asyncio.create_subprocess_exec(
        *("node", gateway, server.url, json.dumps({"receipts": receipts, "questions": questions})),
        cwd=gateway.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return json.loads(output)


async def test_a_graph_is_composed_and_answers_across_both_subgraphs(
    gateway: Path, live_server: LiveServer, person: SignUp
) -> None:
    rider, other, driver = await person("RIDER"), await person("RIDER"), await person("DRIVER")
    mine, foreign = await rider.create_trip(), await other.create_trip()
    await driver.update_trip(mine["id"], "STARTED")
    token = await token_of(rider)
    receipts = [
        {"number": 1, "trip": mine["id"], "payer": rider.user["id"]},
        {"number": 2, "trip": foreign["id"], "payer": other.user["id"]},
        {"number": 3, "trip": str(uuid4()), "payer": driver.user["id"]},
    ]
    told = await ask(
        gateway,
        live_server,
        receipts,
        {"query": RECEIPTS, "token": token},
        {"query": TRIPS, "token": token},
        {"query": RECEIPTS},
    )

    assert told["hints"] == []
    across, back, nobody = told["answers"]
    assert across["errors"] == []
    own, not_mine, unknown = across["data"]["receipts"]
    assert own["trip"] == {
        "status": "STARTED",
        "pickUpAddress": mine["pickUpAddress"],
        "rider": {"firstName": rider.user["firstName"], "points": 7},
    }
    assert own["payer"] == {
        "username": rider.user["username"],
        "firstName": rider.user["firstName"],
        "points": 7,
    }
    # The router knows the ids of the others, and the session may not see them.
    assert (not_mine["trip"], unknown["trip"]) == (None, None)
    assert not_mine["payer"] is None
    assert unknown["payer"]["username"] == driver.user["username"]
    # All trips and users of the answer in one request.
    assert [sent.count("_entities") for sent in across["sent"]] == [1] * len(across["sent"])
    assert len(across["sent"]) <= 2

    assert back["errors"] == []
    (node,) = back["data"]["trips"]["nodes"]
    assert node["receipt"] == {
        "number": 1,
        "payer": {"id": rider.user["id"], "firstName": rider.user["firstName"]},
    }

    assert {error["extensions"]["code"] for error in nobody["errors"]} == {"UNAUTHENTICATED"}
    assert [receipt["trip"] for receipt in nobody["data"]["receipts"]] == [None] * 3


async def test_an_id_that_is_none_is_an_error_of_its_object_alone(
    gateway: Path, live_server: LiveServer, person: SignUp
) -> None:
    rider = await person("RIDER")
    trip = await rider.create_trip()
    receipts = [
        {"number": number, "trip": id, "payer": rider.user["id"]} for number, id in enumerate(("7", trip["id"]))
    ]
    question = {"query": "{ receipts { trip { status } } }", "token": await token_of(rider)}
    (answer,) = (await ask(gateway, live_server, receipts, question))["answers"]
    assert answer["data"] == {"receipts": [{"trip": None}, {"trip": {"status": "REQUESTED"}}]}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
