"""A server without introspection."""

import json
from typing import Any

import pytest

from application.settings import Settings
from tests.conftest import SignUp
from tests.support.api import CREATE_TRIP

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("cost")]

GUESSES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("{ __schema { types { name } } }", {}),
    ('{ __type(name: "Trip") { fields { name } } }', {}),
    ("query ($s: [TripStatus!]) { trips(status: $s) { nodes { id } } }", {"s": ["REQUESTE"]}),
    (CREATE_TRIP, {"input": {"pickUpAddres": "1 Main Street", "dropOffAddress": "9 Side Street"}}),
    ("{ trips(status: [REQUESTE]) { nodes { id } } }", {}),
    ("{ mee { id } }", {}),
    ("{ me { firstNam } }", {}),
)


@pytest.fixture(
    scope="module", params=[{"introspection": False}, {"suggestions": False}], ids=["introspection", "suggestions"]
)
def shared_settings(shared_settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Without introspection, or only without suggestions."""
    return shared_settings.model_copy(update=request.param)


@pytest.mark.parametrize(("query", "variables"), GUESSES)
async def test_an_error_does_not_suggest_names(
    someone: SignUp, shared_settings: Settings, query: str, variables: dict[str, Any]
) -> None:
    rider = await someone("RIDER")
    answer = await rider.post(query, **variables)
    assert "you mean" not in json.dumps(answer)
    if "__" in query:
        assert ("errors" in answer) is not shared_settings.introspection
    else:
        assert "errors" in answer
    if not shared_settings.introspection or "__" not in query:
        async with rider.socket() as socket:
            message = await (await socket.start(query, **variables)).message()
            assert message["type"] == "error"
            assert "you mean" not in json.dumps(message)
    assert await rider.data("{ __typename }") == "Query"
