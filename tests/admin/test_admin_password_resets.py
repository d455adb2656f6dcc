"""Staff send a person a letter that resets the password."""

import pytest

from tests.conftest import LiveServer
from tests.support.api import LOG_IN, PASSWORD, Api
from tests.support.letters import sent, token_of
from tests.support.staff import StaffBrowser

NEW = "another-staple-battery-8"
RESET = """mutation ($token: String!, $password: String!) {
  resetPassword(input: {token: $token, password1: $password, password2: $password}) {
    user { id } errors { code }
  }
}"""


async def test_staff_send_a_reset_and_its_link_gives_the_account_back(
    live_server: LiveServer, staff: StaffBrowser, rider: Api
) -> None:
    database, user_id, name = live_server.application.database, rider.user["id"], rider.user["username"]
    without = await staff.row_action("user", "reset-password", user_id)
    assert (without.status_code, without.json()) == (400, {"msg": "This user has no verified e-mail address."})
    await database.fetch(
        "UPDATE users SET email = 'ann@taxi.example', email_verified_at = {now} WHERE id = $1", user_id
    )

    assert (await staff.row_action("user", "reset-password", user_id)).status_code == 200

    (letter,) = await sent(live_server.application)
    assert (letter["To"], letter["Subject"]) == ("ann@taxi.example", "Choose a new password")
    again = await staff.row_action("user", "reset-password", user_id)
    assert (again.status_code, again.json()) == (
        400,
        {"msg": "This user has got such a letter within an hour."},
    )
    async with Api(live_server.url) as api:
        payload = await api.data(RESET, token=token_of(letter), password=NEW)
        assert payload == {"user": {"id": user_id}, "errors": []}
    assert await rider.data("{ me { id } }") is None
    assert (await rider.data(LOG_IN, username=name, password=PASSWORD))["errors"] != []
    assert (await rider.data(LOG_IN, username=name, password=NEW))["errors"] == []
    trail = await database.fetch("SELECT staff_username, user_id FROM staff_actions WHERE action <> 'LOG_IN'")
    assert [(row["staff_username"], str(row["user_id"])) for row in trail] == [("stella", user_id)]


@pytest.mark.attack("access")
async def test_nobody_but_staff_sends_a_reset(live_server: LiveServer, stranger: StaffBrowser, rider: Api) -> None:
    await live_server.application.database.fetch(
        "UPDATE users SET email = 'ann@taxi.example', email_verified_at = {now} WHERE id = $1", rider.user["id"]
    )
    stranger.http.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in rider.http.cookies.items())
    refused = await stranger.http.post(f"/admin/_api/user/row-action?name=reset-password&pk={rider.user['id']}")
    assert refused.status_code in (303, 401, 403)
    assert await sent(live_server.application) == []
