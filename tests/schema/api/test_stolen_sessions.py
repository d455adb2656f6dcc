"""An attacker has the cookie, the token or the password: how the user can end that."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from contextvars import Context
from typing import Any

import pytest

from application.application import Application
from application.settings import Settings
from models.values import Role
from services.accounts.log_in import BadCredentials
from services.accounts.sessions import PasswordChanged
from services.live import live_sessions
from tests.conftest import LiveServer, serving
from tests.support.api import LOG_IN, MY_TRIPS, PASSWORD, Api, open_socket
from tests.support.database_rows import add_person
from tests.support.waiting import until

pytestmark = pytest.mark.attack("abuse")
embedded = pytest.mark.parametrize("backend", ["embedded"], indirect=True)

NEW = "another-staple-battery-8"
ME = "{ me { username } }"
CHANGE = """
    mutation ($input: ChangePasswordInput!) {
        changePassword(input: $input) { user { username } token errors { code field } }
    }
"""
LOG_OUT = "mutation ($everywhere: Boolean! = false) { logOut(everywhere: $everywhere) { errors { code } } }"
SESSION = "taxirank_session"

Servers = tuple[LiveServer, LiveServer]
Visit = Callable[[LiveServer, str | None], Any]


@pytest.fixture
async def servers(settings: Settings, backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Servers]:
    """Two servers on one database, if the backend allows it; otherwise one. Only the bus announces ends."""
    monkeypatch.setattr(live_sessions, "CHECK_INTERVAL_S", 60.0)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(settings))
        second = await stack.enter_async_context(serving(settings)) if backend == "production" else first
        yield first, second


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    """Makes clients with a cookie, or without one: `await visit(server, cookie)`."""
    async with AsyncExitStack() as stack:

        async def make(server: LiveServer, cookie: str | None = None) -> Api:
            api = await stack.enter_async_context(Api(server.url))
            if cookie is not None:
                api.http.cookies.set(SESSION, cookie)
            return api

        yield make


def cookie(api: Api) -> str:
    return next(each.value for each in api.http.cookies.jar if each.name == SESSION and each.value)


async def log_in(api: Api, password: str = PASSWORD, **options: Any) -> dict[str, Any]:
    return await api.data(LOG_IN, username="rosa", password=password, **options)


def change(current: str = PASSWORD, new: str = NEW, again: str | None = None) -> dict[str, str]:
    return {"currentPassword": current, "password1": new, "password2": again or new}


# A log-in replaces the previous session.


async def test_a_log_in_ends_the_session_of_the_cookie_that_it_replaces(servers: Servers, visit: Visit) -> None:
    here, there = servers
    api = await visit(here)
    await api.sign_up("RIDER", username="rosa")
    old = cookie(api)
    thief = await visit(there, old)
    async with thief.socket() as socket:
        await (await socket.start(MY_TRIPS)).next()

        assert (await log_in(api))["errors"] == []

        assert (await socket.closed()).code == 4401
    assert cookie(api) != old
    assert await thief.data(ME) is None
    assert await api.data(ME) == {"username": "rosa"}


@embedded
async def test_a_planted_cookie_is_not_the_session_after_the_log_in(servers: Servers, visit: Visit) -> None:
    attacker = await visit(servers[0])
    await attacker.sign_up("RIDER", username="mallory")
    await (await visit(servers[0])).sign_up("RIDER", username="rosa")
    for planted in (cookie(attacker), "a-token-that-the-attacker-chose"):
        victim = await visit(servers[0], planted)
        assert (await log_in(victim))["errors"] == []
        assert await victim.data(ME) == {"username": "rosa"}
        assert await (await visit(servers[0], planted)).data(ME) is None

    planted = await visit(servers[0], cookie(await _signed_up(visit, servers[0])))
    await planted.sign_up("RIDER", username="ravi")
    assert await planted.data(ME) == {"username": "ravi"}


async def _signed_up(visit: Visit, server: LiveServer) -> Api:
    api = await visit(server)
    return await api.sign_up("RIDER")


@embedded
async def test_a_log_in_for_a_token_ends_the_session_of_the_token_before_and_leaves_the_cookie(
    servers: Servers, visit: Visit
) -> None:
    browser = await visit(servers[0])
    await browser.sign_up("RIDER", username="rosa")
    first = (await log_in(browser, issueToken=True))["token"]
    assert await browser.data(ME) == {"username": "rosa"}
    native = await visit(servers[0])
    bearer = {"Authorization": f"Bearer {first}"}
    variables = {"username": "rosa", "password": PASSWORD, "issueToken": True}
    body = await native.post(LOG_IN, headers=bearer, **variables)
    assert await native.post(ME, headers=bearer) == {"data": {"me": None}}
    second = {"Authorization": f"Bearer {body['data']['logIn']['token']}"}
    assert (await native.post(ME, headers=second))["data"]["me"] == {"username": "rosa"}


@embedded
async def test_a_failed_log_in_ends_nothing(servers: Servers, visit: Visit) -> None:
    api = await visit(servers[0])
    await api.sign_up("RIDER", username="rosa")
    assert (await log_in(api, "wrong"))["errors"][0]["code"] == "BAD_CREDENTIALS"
    assert await api.data(ME) == {"username": "rosa"}


# A new password.


async def test_a_new_password_ends_all_sessions_and_their_sockets_on_every_server(
    servers: Servers, visit: Visit
) -> None:
    here, there = servers
    api, elsewhere = await visit(here), await visit(there)
    await api.sign_up("RIDER", username="rosa")
    await log_in(elsewhere)
    token = (await log_in(elsewhere, issueToken=True))["token"]
    stolen = await visit(there, cookie(api))
    stranger = await visit(there)
    await stranger.sign_up("RIDER", username="ravi")
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(each.socket()) for each in (api, elsewhere, stolen)]
        native = await stack.enter_async_context(open_socket(there.url))
        await native.init({"authorization": f"Bearer {token}"})
        untouched = await stack.enter_async_context(stranger.socket())
        for socket in (*sockets, native):
            await (await socket.start(MY_TRIPS)).next()

        payload = await api.data(CHANGE, input=change())

        assert payload == {"user": {"username": "rosa"}, "token": None, "errors": []}
        assert [(await socket.closed()).code for socket in (*sockets, native)] == [4401] * 4
        await untouched.ping()
    assert await api.data(ME) == {"username": "rosa"}
    async with api.socket() as socket:
        await (await socket.start(MY_TRIPS)).next()
    for out in (elsewhere, stolen):
        assert await out.data(ME) is None
    assert await stolen.post(ME, headers={"Authorization": f"Bearer {token}"}) == {"data": {"me": None}}
    assert (await log_in(elsewhere))["errors"][0]["code"] == "BAD_CREDENTIALS"
    assert (await log_in(elsewhere, NEW))["errors"] == []


@embedded
async def test_a_caller_with_a_token_gets_a_new_token(servers: Servers, visit: Visit) -> None:
    api = await visit(servers[0])
    await api.sign_up("RIDER", username="rosa")
    api.http.cookies.clear()
    token = (await log_in(api, issueToken=True))["token"]

    response = await api.http.post(
        "/graphql",
        json={"query": CHANGE, "variables": {"input": change()}},
        headers={"Authorization": f"Bearer {token}"},
    )

    assert "Set-Cookie" not in response.headers
    new = response.json()["data"]["changePassword"]["token"]
    assert await api.post(ME, headers={"Authorization": f"Bearer {token}"}) == {"data": {"me": None}}
    found = await api.post(ME, headers={"Authorization": f"Bearer {new}"})
    assert found["data"]["me"] == {"username": "rosa"}


@embedded
@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        (change(current="wrong"), "BAD_CREDENTIALS", ["currentPassword"]),
        (change(current="wrong", new="weak"), "BAD_CREDENTIALS", ["currentPassword"]),
        (change(new="weak"), "PASSWORD_WEAK", ["password1"]),
        (change(again=NEW + "x"), "PASSWORD_MISMATCH", ["password2"]),
        (change(new="rosa-rosa-rosa"), "PASSWORD_WEAK", ["password1"]),
    ],
)
async def test_a_faulty_new_password_changes_nothing(
    fields: dict[str, str], code: str, field: list[str], servers: Servers, visit: Visit
) -> None:
    api = await visit(servers[0])
    await api.sign_up("RIDER", username="rosa")
    payload = await api.data(CHANGE, input=fields)
    assert payload == {"user": None, "token": None, "errors": [{"code": code, "field": field}]}
    assert await api.data(ME) == {"username": "rosa"}
    assert (await log_in(await visit(servers[0])))["errors"] == []


@embedded
async def test_a_password_can_be_changed_only_by_users_and_over_http(servers: Servers, visit: Visit) -> None:
    api = await visit(servers[0])
    assert await api.code(CHANGE, input=change()) == "UNAUTHENTICATED"
    await api.sign_up("RIDER", username="rosa")
    async with api.socket() as socket:
        message = await (await socket.start(CHANGE, input=change())).message()
        assert message["payload"]["errors"][0]["extensions"]["code"] == "COOKIE_TRANSPORT_REQUIRED"


@embedded
async def test_guesses_at_the_current_password_count_as_log_ins(settings: Settings, visit: Visit) -> None:
    async with serving(settings.model_copy(update={"log_in_rate": "3/day"})) as server:
        api = await visit(server)
        await api.sign_up("RIDER", username="rosa")
        for _ in range(2):
            assert (await api.data(CHANGE, input=change("wrong")))["errors"][0]["code"] == "BAD_CREDENTIALS"
        assert (await log_in(await visit(server)))["errors"] == []
        response = await api.http.post("/graphql", json={"query": CHANGE, "variables": {"input": change()}})
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert response.headers["Retry-After"] == str(error["extensions"]["retryAfter"])
        assert await api.data(ME) == {"username": "rosa"}


async def test_of_simultaneous_changes_of_a_password_one_succeeds(servers: Servers, visit: Visit) -> None:
    api = await visit(servers[0])
    await api.sign_up("RIDER", username="rosa")
    held = cookie(api)
    clients = [await visit(server, held) for server in servers for _ in range(3)]
    news = [f"{NEW}-{number}" for number in range(len(clients))]

    bodies = await asyncio.gather(
        *(client.post(CHANGE, input=change(new=new)) for client, new in zip(clients, news, strict=True))
    )

    won = [new for body, new in zip(bodies, news, strict=True) if body["data"] and not _errors(body)]
    assert len(won) == 1
    who = [client for client in clients if await client.data(ME) is not None]
    assert len(who) == 1
    outcomes = [(await log_in(await visit(servers[0]), new))["errors"] == [] for new in news]
    assert [new for new, succeeded in zip(news, outcomes, strict=True) if succeeded] == won


def _errors(body: dict[str, Any]) -> list[Any]:
    return body.get("errors") or body["data"]["changePassword"]["errors"]


async def test_a_log_in_with_the_old_password_does_not_outlive_the_change(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_ins, sessions = application.services.log_ins, application.services.sessions
    owner = await application.services.accounts.sign_up(
        username="rosa",
        password1=PASSWORD,
        password2=PASSWORD,
        first_name="Rosa",
        last_name="Alvarez",
        role=Role.RIDER,
    )
    begin, changed = sessions.begin, asyncio.Event()

    async def begin_late(*args: Any, **options: Any) -> Any:
        # The password was correct when it was checked.
        await changed.wait()
        return await begin(*args, **options)

    monkeypatch.setattr(sessions, "begin", begin_late)
    late = asyncio.create_task(log_ins.log_in(username="rosa", password=PASSWORD))
    try:
        owner = await log_ins.change_password(owner.actor, current=PASSWORD, password1=NEW, password2=NEW)
    finally:
        changed.set()
    with pytest.raises(BadCredentials):
        await late

    # The same without fixed steps: in either order, nobody is logged in with the old password.
    monkeypatch.undo()
    attempts = [log_ins.log_in(username="rosa", password=NEW) for _ in range(8)]
    changing = log_ins.change_password(owner.actor, current=NEW, password1=PASSWORD, password2=PASSWORD)
    *begun, renewed = await asyncio.gather(*attempts, changing, return_exceptions=True)
    assert not isinstance(renewed, BaseException)
    assert {type(each) for each in begun} <= {BadCredentials, type(renewed)}
    rows = await application.database.fetch("SELECT id FROM sessions")
    assert [str(row["id"]) for row in rows] == [str(renewed.actor.session_id)]


@pytest.mark.parametrize("backend", ["production"], indirect=True)
async def test_a_log_in_waits_for_a_change_of_the_password_that_is_not_committed_yet(
    application: Application,
) -> None:
    sessions, database = application.services.sessions, application.database
    actor = await add_person(database, Role.RIDER)
    (row,) = await database.fetch("SELECT password_hash FROM users WHERE id = $1", actor.id)

    async def apart(work: Coroutine[Any, Any, Any]) -> Any:
        """Run it in a separate context: not in the transaction of this task."""
        return await asyncio.get_running_loop().create_task(work, context=Context())

    async def waits() -> bool:
        sql = (
            "SELECT 1 AS one FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(await apart(database.fetch(sql))) or late.done()

    async with database.transaction() as changing:
        await changing.fetch("UPDATE users SET password_hash = 'another' WHERE id = $1", actor.id)
        await changing.fetch("DELETE FROM sessions WHERE user_id = $1", actor.id)
        late = asyncio.create_task(apart(sessions.begin(actor.user, password_hash=row["password_hash"])))
        await until(waits)
    with pytest.raises(PasswordChanged):
        await late
    assert await database.fetch("SELECT id FROM sessions") == []


# Log-out everywhere.


async def test_a_log_out_everywhere_ends_all_sessions_and_their_sockets_on_every_server(
    servers: Servers, visit: Visit
) -> None:
    here, there = servers
    api, elsewhere, stranger = await visit(here), await visit(there), await visit(there)
    await api.sign_up("RIDER", username="rosa")
    await log_in(elsewhere)
    await stranger.sign_up("RIDER", username="ravi")
    async with api.socket() as one, elsewhere.socket() as other, stranger.socket() as untouched:
        for socket in (one, other):
            await (await socket.start(MY_TRIPS)).next()
        assert await api.data(LOG_OUT, everywhere=True) == {"errors": []}
        assert [(await one.closed()).code, (await other.closed()).code] == [4401, 4401]
        await untouched.ping()
    assert await api.data(ME) is None
    assert await elsewhere.data(ME) is None
    assert await stranger.data(ME) == {"username": "ravi"}
    assert (await log_in(elsewhere))["errors"] == []


@embedded
async def test_an_ordinary_log_out_leaves_the_other_sessions(servers: Servers, visit: Visit) -> None:
    api, elsewhere = await visit(servers[0]), await visit(servers[0])
    await api.sign_up("RIDER", username="rosa")
    await log_in(elsewhere)
    assert await api.data(LOG_OUT) == {"errors": []}
    assert await elsewhere.data(ME) == {"username": "rosa"}


@embedded
@pytest.mark.parametrize("query", ["logOut", "logOut(everywhere: true)", "changePassword", "deleteMe", "logIn"])
async def test_a_cookie_beside_a_bearer_token_is_left_alone(query: str, servers: Servers, visit: Visit) -> None:
    native, browser = await visit(servers[0]), await visit(servers[0])
    await native.sign_up("RIDER", username="rosa")
    bearer = {"Authorization": f"Bearer {(await log_in(native, issueToken=True))['token']}"}
    await browser.sign_up("RIDER", username="ravi")
    arguments = {
        "changePassword": f'(input: {{currentPassword: "{PASSWORD}", password1: "{NEW}", password2: "{NEW}"}})',
        "deleteMe": f'(password: "{PASSWORD}")',
        "logIn": f'(username: "rosa", password: "{PASSWORD}", issueToken: true)',
    }
    mutation = f"mutation {{ {query}{arguments.get(query, '')} {{ errors {{ code }} }} }}"

    response = await browser.http.post("/graphql", json={"query": mutation}, headers=bearer)

    assert [*response.json()["data"].values()] == [{"errors": []}]
    assert "Set-Cookie" not in response.headers
    assert await browser.data(ME) == {"username": "ravi"}
    assert await browser.post(ME, headers=bearer) == {"data": {"me": None}}


@embedded
async def test_an_event_stream_ends_with_its_session(servers: Servers, visit: Visit) -> None:
    api, elsewhere = await visit(servers[0]), await visit(servers[0])
    await api.sign_up("RIDER", username="rosa")
    await log_in(elsewhere)
    async with elsewhere.http.stream(
        "POST", "/graphql", json={"query": MY_TRIPS}, headers={"Accept": "text/event-stream"}
    ) as stream:
        lines = stream.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == [":", "", "event: next"]
        await api.data(CHANGE, input=change())
        rest = [line async for line in lines]
    assert any("UNAUTHENTICATED" in line for line in rest)
