"""Who can enter the admin, and what pages of other origins can do there."""

import asyncio
import re

import httpx
import pytest

from application.application import Application
from application.settings import Settings
from tests.conftest import LiveServer, SignUp, serving
from tests.support.api import LOG_IN, MY_TRIPS, PASSWORD, Api, open_socket
from tests.support.database_rows import add_rider
from tests.support.staff import StaffBrowser, make_staff, path_of
from tests.support.waiting import PATIENCE_S

COOKIE = "taxirank_session"


async def actions(application: Application) -> list[tuple[str, str]]:
    """The audit trail: who did what."""
    rows = await application.database.fetch("SELECT staff_username, action FROM staff_actions ORDER BY id")
    return [(row["staff_username"], row["action"]) for row in rows]


async def test_staff_log_in_and_out_and_the_trail_says_so(live_server: LiveServer, stranger: StaffBrowser) -> None:
    await make_staff(live_server.application, "stella")
    assert path_of(await stranger.get("")) == "/admin/"
    assert path_of(await stranger.get("/trip/list")) == "/admin/login"
    assert (await stranger.get("/login")).status_code == 200

    entered = await stranger.log_in("Stella")
    assert entered.status_code == 303
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert (await stranger.get("/trip/list")).status_code == 200
    assert await actions(live_server.application) == [("stella", "LOG_IN")]

    token = stranger.http.cookies[COOKIE]
    assert (await stranger.form("/logout", {})).status_code == 303
    assert COOKIE not in stranger.http.cookies
    stranger.http.cookies.set(COOKIE, token)
    assert path_of(await stranger.get("/trip/list")) == "/admin/login"


async def test_a_log_in_redirects_to_the_requested_page_and_to_no_other_host(
    live_server: LiveServer, stranger: StaffBrowser
) -> None:
    await make_staff(live_server.application, "stella")
    fields = {"username": "stella", "password": PASSWORD}

    wanted = await stranger.form("/login", fields, params={"next": "/admin/user/list"})
    assert path_of(wanted) == "/admin/user/list"
    stranger.http.cookies.clear()
    lured = await stranger.form("/login", fields, params={"next": "https://evil.example/"})
    assert path_of(lured) == "/admin/"
    assert "evil" not in lured.headers["location"]


async def test_the_sessions_are_those_of_the_api(staff: StaffBrowser) -> None:
    asked = await staff.http.post("/graphql", json={"query": "{ me { username role } }"})
    assert asked.json()["data"]["me"] == {"username": "stella", "role": "RIDER"}


@pytest.mark.attack("access")
async def test_a_session_of_the_api_that_opens_the_admin_is_in_the_trail_once(
    live_server: LiveServer, stranger: StaffBrowser
) -> None:
    application = live_server.application
    await make_staff(application, "stella")
    async with Api(live_server.url) as api:
        assert (await api.data(LOG_IN, username="stella", password=PASSWORD))["errors"] == []
        stranger.http.cookies.set(COOKIE, api.http.cookies[COOKIE])
    assert await actions(application) == []
    pages = await asyncio.gather(*(stranger.get(path) for path in ("/trip/list", "/user/list", "/live")))
    assert [page.status_code for page in pages] == [200] * 3
    rows = await application.database.fetch("SELECT staff_username, action, detail FROM staff_actions")
    ((who, action, detail),) = [tuple(row.values()) for row in rows]
    assert (who, action) == ("stella", "LOG_IN")
    assert re.fullmatch(r"with a session of the API that began at \d{4}-\d\d-\d\d \d\d:\d\d UTC", detail)


async def test_nobody_but_staff_gets_in(live_server: LiveServer, rider: Api, stranger: StaffBrowser) -> None:
    name = rider.user["username"]
    refused = await stranger.log_in(name)
    assert refused.status_code == 400
    assert "The user name or the password is wrong." in refused.text
    assert f'value="{name}"' in refused.text
    assert COOKIE not in stranger.http.cookies
    # No session was begun and left over.
    rows = await live_server.application.database.fetch("SELECT count(*) AS count FROM sessions")
    assert rows[0]["count"] == 1

    stranger.http.cookies.set(COOKIE, rider.http.cookies[COOKIE])
    for path in (
        "/",
        "/live",
        "/trip/list",
        "/user/list",
        "/user/create",
        "/staff-action/list",
        "/_api/user/relation-lookup",
    ):
        assert path_of(await stranger.get(path)) == "/admin/login", path
    assert path_of(await stranger.row_action("user", "deactivate", rider.user["id"])) == "/admin/login"
    assert await rider.data("{ me { id } }") == {"id": rider.user["id"]}


async def test_a_former_member_of_staff_loses_access_immediately(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    database = live_server.application.database
    await database.fetch("UPDATE users SET is_staff = $1", False)
    assert path_of(await staff.get("/trip/list")) == "/admin/login"


async def test_too_many_attempts_are_refused_as_in_the_api(settings: Settings) -> None:
    limited = settings.model_copy(update={"log_in_rate": "3/hour"})
    async with serving(limited) as server, StaffBrowser(server.url) as stranger:
        await make_staff(server.application, "stella")
        assert [(await stranger.log_in("stella", "wrong")).status_code for _ in range(3)] == [400] * 3

        refused = await stranger.log_in("stella")
        assert "Too many attempts: try again in" in refused.text
        async with Api(server.url) as api:
            mutation = 'mutation { logIn(username: "stella", password: "x") { errors { code } } }'
            assert await api.code(mutation) == "RATE_LIMITED"


async def test_the_admin_can_be_turned_off(settings: Settings) -> None:
    without = settings.model_copy(update={"admin": False})
    async with serving(without) as server, httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as http:
        assert (await http.get("/admin")).status_code == 404
        assert (await http.get("/admin/login")).status_code == 404


async def test_a_log_out_closes_the_sockets_of_the_session(live_server: LiveServer, staff: StaffBrowser) -> None:
    cookie = {"Cookie": f"{COOKIE}={staff.http.cookies[COOKIE]}"}
    async with open_socket(live_server.url, headers=cookie) as socket:
        await socket.init()
        await (await socket.start(MY_TRIPS)).next()
        await staff.form("/logout", {})
        assert (await socket.closed()).code == 4401


# Requests that other pages can make the browser of a member of staff send.


@pytest.mark.attack("cross-site")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        # Another port of the same host is the same site, so the cookie is sent.
        {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {"Origin": "https://app.example"},
        {"Origin": "https://app.example", "GraphQL-Require-Preflight": "1"},
    ],
    ids=["another site", "another port", "a sandbox", "an allowed origin", "an allowed origin after a preflight"],
)
async def test_pages_of_other_origins_change_nothing_even_with_the_token(
    settings: Settings, headers: dict[str, str]
) -> None:
    allowing = settings.model_copy(update={"allowed_origins": ("https://app.example",)})
    async with serving(allowing) as server, StaffBrowser(server.url) as staff:
        await make_staff(server.application, "stella")
        await staff.log_in("stella")
        victim = await add_rider(server.application.database)
        await staff.get("/user/list")
        token = staff.http.cookies["starlette_admin_csrftoken"]
        del staff.http.headers["Origin"], staff.http.headers["Sec-Fetch-Site"]

        refused = await staff.http.post(
            "/admin/_api/user/row-action",
            params={"name": "deactivate", "pk": str(victim.id)},
            data={"csrftoken": token},
            headers=headers,
        )

        assert refused.status_code == 403
        rows = await server.application.database.fetch("SELECT is_active FROM users WHERE id = $1", victim.id)
        assert rows[0]["is_active"]
        # They cannot read a page either: a browser requests it with an Origin.
        assert (await staff.http.get("/admin/user/list", headers=headers)).status_code == 403


@pytest.mark.attack("cross-site")
async def test_a_form_without_its_token_or_with_that_of_another_session_is_refused(
    live_server: LiveServer, staff: StaffBrowser, person: SignUp
) -> None:
    user_id = (await person("RIDER")).user["id"]
    async with StaffBrowser(live_server.url) as other:
        await make_staff(live_server.application, "stan")
        await other.log_in("stan")
        await other.get("/trip/list")
        theirs = other.http.cookies["starlette_admin_csrftoken"]
    for token in ("", "forged", theirs):
        staff.http.cookies.set("starlette_admin_csrftoken", token, domain="127.0.0.1", path="/")
        refused = await staff.http.post(
            "/admin/_api/user/row-action",
            params={"name": "deactivate", "pk": user_id},
            headers={"X-CSRFToken": token},
        )
        assert refused.status_code == 403
    assert (await staff.row_action("user", "deactivate", user_id)).status_code == 200


# The embedded backend has one process.
@pytest.mark.parametrize("backend", ["production"])
async def test_every_process_accepts_what_another_has_signed(
    settings: Settings, staff: StaffBrowser, live_server: LiveServer, person: SignUp
) -> None:
    user_id = (await person("RIDER")).user["id"]
    await staff.get("/user/list")
    async with serving(settings) as second, StaffBrowser(second.url) as elsewhere:
        elsewhere.http.cookies = staff.http.cookies
        pressed = await elsewhere.http.post(
            "/admin/_api/user/row-action",
            params={"name": "deactivate", "pk": user_id},
            headers={"X-CSRFToken": staff.http.cookies["starlette_admin_csrftoken"]},
        )
        assert pressed.status_code == 200
        staff.http.cookies = elsewhere.http.cookies
    # The message of one process is shown by the other.
    assert "The user was deactivated" in (await staff.get("/user/list")).text


async def test_pages_load_nothing_from_other_hosts_and_run_only_their_own_scripts(
    staff: StaffBrowser, rider: Api
) -> None:
    trip = await rider.create_trip()
    paths = (
        "/trip/list",
        f"/trip/detail?pk={trip['id']}",
        "/trip/create",
        "/user/list",
        f"/user/detail?pk={rider.user['id']}",
        "/user/create",
        "/staff-action/list",
        "/staff-action/detail?pk=1",
        "/nothing/list",
    )
    for path in paths:
        page = await staff.get(path)
        policy = page.headers["content-security-policy"]
        (nonce,) = re.findall(r"'nonce-([\w-]{22})'", policy)
        assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
        assert page.headers["cache-control"] == "no-store"
        scripts = re.findall(r"<script[^>]*>", page.text)
        assert scripts
        assert all(f'nonce="{nonce}"' in script for script in scripts), path
        loaded = re.findall(r"""(?:src|href|action)="(https?://[^"]+)|url\(['"]?(https?://[^'")]+)""", page.text)
        assert not [url for pair in loaded for url in pair if url and not url.startswith(staff.url)], path
    assert "no-store" not in (await staff.get("/static/js/sa-dom.js")).headers["cache-control"]


async def test_an_unexpected_failure_is_shown_as_an_incident(
    staff: StaffBrowser, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(live_server.application.staff, "cancel_trip", fail)
    monkeypatch.setattr(live_server.application.staff, "add_user", fail)
    pressed = await staff.row_action("trip", "cancel", "0b3c11a4-6f5e-4d3b-8f5b-2f4a7c1d9e11", reason="x")
    assert re.search(r"incident [0-9a-f]{32}", pressed.json()["msg"])
    added = await staff.form(
        "/user/create",
        {"username": "x", "password": "y", "first_name": "a", "last_name": "b", "role": "RIDER"},
    )
    assert added.status_code == 500
    assert re.search(r"incident [0-9a-f]{32}", added.text)
    assert "secret" not in pressed.text + added.text


@pytest.mark.attack("errors")
@pytest.mark.parametrize("charset", ["utf-7", '"UTF-7"', "unicode_escape", "utf-16"])
async def test_a_form_in_another_charset_than_utf_8_is_400_and_no_incident(
    stranger: StaffBrowser, charset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await stranger.get("/login")
    fields = {
        "username": b"+2D0-stella",
        "password": rb"\ud83d",
        "csrftoken": stranger.http.cookies["starlette_admin_csrftoken"].encode(),
    }
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in fields.items()
    )
    response = await stranger.http.post(
        "/admin/login",
        content=body + b"--b--\r\n",
        headers={"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"},
    )
    assert response.status_code == 400
    assert "Traceback" not in capsys.readouterr().out
