"""The operations of account recovery in docs/api.md and in GraphiQL's tab work as they are written."""

import json
import re

import pytest

from application.paths import ROOT
from tests.conftest import LiveServer
from tests.support.api import PASSWORD, Api
from tests.support.letters import sent, token_of

EXAMPLES = ROOT / "web" / "src" / "graphiql" / "examples"
pytestmark = [
    # Documents do not depend on the database.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


def documents() -> dict[str, str]:
    """The operations of each place, all in one document."""
    api = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```graphql\n(mutation SetEmail.*?)```", api, re.DOTALL)
    return {"docs/api.md": block, "GraphiQL": (EXAMPLES / "9a-recover.graphql").read_text(encoding="utf-8")}


@pytest.mark.parametrize("place", documents())
async def test_an_account_is_got_back_as_the_documents_say(
    live_server: LiveServer, rider: Api, place: str
) -> None:
    values = json.loads((EXAMPLES / "9a-recover.json").read_text(encoding="utf-8"))
    new = values["newPassword"]
    values |= {"username": rider.user["username"], "password": PASSWORD, "password1": new, "password2": new}

    async def run(name: str) -> dict[str, object]:
        answer = await rider.http.post(
            "/graphql", json={"query": documents()[place], "operationName": name, "variables": values}
        )
        (payload,) = answer.json()["data"].values()
        assert payload["errors"] == [], name
        return payload

    changed = await run("SetEmail")
    assert changed["user"] == {"email": values["email"], "emailVerifiedAt": None}
    values["token"] = token_of((await sent(live_server.application))[-1])
    await run("ConfirmEmail")
    await run("ForgotPassword")
    values["token"] = token_of((await sent(live_server.application))[-1])
    payload = await run("ResetPassword")
    user = payload["user"]
    assert isinstance(user, dict)
    assert user["id"] == rider.user["id"]
    again = await rider.http.post(
        "/graphql",
        json={"query": documents()[place], "operationName": "ResetPassword", "variables": values},
    )
    assert [error["code"] for error in again.json()["data"]["resetPassword"]["errors"]] == ["RESET_TOKEN_INVALID"]
