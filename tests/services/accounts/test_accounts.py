"""Accounts: signing up and logging in over HTTP, and what is stored."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from application.application import Application
from application.settings import Settings
from tests.conftest import LiveServer, SignUp, serving
from tests.support.api import LOG_IN, LOG_OUT, MY_TRIPS, PASSWORD, SIGN_UP, Api, open_socket
from tests.support.pictures import ACCOUNT, picture, sign_up_with_photo
from tests.support.processes import HASH_MEMORY_KIB

ME = "{ me { id username photo } }"
embedded = pytest.mark.parametrize("backend", ["embedded"], indirect=True)


def photos_kept(server: LiveServer) -> list[Path]:
    folder = Path(server.application.settings.media_url)
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


async def users_kept(server: LiveServer) -> list[Any]:
    return list(await server.application.database.fetch("SELECT * FROM users"))


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["errors"]]


# Signing up.


async def test_a_user_who_signs_up_is_logged_in_and_gets_no_token(person: SignUp) -> None:
    api = await person()
    payload = await api.data(SIGN_UP, input=ACCOUNT)
    assert payload["errors"] == []
    assert payload["token"] is None
    assert payload["user"]["username"] == "rosa"
    assert (await api.data(ME))["id"] == payload["user"]["id"]


async def test_a_name_is_taken_in_any_case_and_unicode_form(person: SignUp, live_server: LiveServer) -> None:
    await person("RIDER", username="rosa")
    api = await person()
    for name in ("ROSA", " rosa ", "\uff52\uff4f\uff53\uff41"):
        assert codes(await api.data(SIGN_UP, input=ACCOUNT | {"username": name})) == ["USERNAME_TAKEN"]
    assert len(await users_kept(live_server)) == 1


async def test_of_twenty_sign_ups_of_one_name_one_creates_the_user_and_the_only_photo(
    person: SignUp, live_server: LiveServer
) -> None:
    apis = [await person() for _ in range(20)]
    names = ["rosa", "ROSA", "Rosa", "rOSA"]
    payloads = await asyncio.gather(
        *(sign_up_with_photo(api, picture(), username=names[n % 4]) for n, api in enumerate(apis))
    )
    assert sorted(codes(p) for p in payloads) == [[]] + [["USERNAME_TAKEN"]] * 19
    (user,) = await users_kept(live_server)
    assert [path.name for path in photos_kept(live_server)] == [user["photo"]]
    assert [await api.data(ME) is not None for api in apis].count(True) == 1


async def test_all_faults_of_a_form_are_reported_together(person: SignUp, live_server: LiveServer) -> None:
    await person("RIDER", username="rosa")
    payload = await sign_up_with_photo(await person(), b"no picture", password1="123", password2="123")
    assert {(e["code"], *e["field"]) for e in payload["errors"]} == {
        ("USERNAME_TAKEN", "username"),
        ("PASSWORD_WEAK", "password1"),
        ("PHOTO_INVALID", "photo"),
    }
    payload = await sign_up_with_photo(await person(), b"no picture", username="?", password2="mistyped")
    assert {e["code"] for e in payload["errors"]} == {"USERNAME_INVALID", "PASSWORD_MISMATCH", "PHOTO_INVALID"}
    assert len(await users_kept(live_server)) == 1
    assert photos_kept(live_server) == []


@embedded
async def test_a_refused_photo_creates_no_user(person: SignUp, live_server: LiveServer) -> None:
    api = await person()
    payload = await sign_up_with_photo(api, b"no picture")
    assert codes(payload) == ["PHOTO_INVALID"]
    assert await users_kept(live_server) == []
    assert await api.data(ME) is None


@embedded
async def test_a_good_photo_of_a_refused_form_is_not_kept(person: SignUp, live_server: LiveServer) -> None:
    payload = await sign_up_with_photo(await person(), picture(), password1="123", password2="123")
    assert codes(payload) == ["PASSWORD_WEAK"]
    assert photos_kept(live_server) == []


@embedded
async def test_a_photo_is_returned_as_a_path_and_served_there(person: SignUp) -> None:
    api = await person()
    payload = await sign_up_with_photo(api, picture())
    assert payload["errors"] == []
    response = await api.http.get(payload["user"]["photo"])
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "image/webp"


@embedded
async def test_a_photo_is_required_if_the_setting_says_so(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"photo_required": True})) as server, Api(server.url) as api:
        assert codes(await api.data(SIGN_UP, input=ACCOUNT)) == ["PHOTO_REQUIRED"]
        assert await users_kept(server) == []
        assert (await sign_up_with_photo(api, picture()))["errors"] == []


@embedded
async def test_a_name_that_is_empty_or_too_long_or_has_hidden_characters_is_bad_user_input(person: SignUp) -> None:
    api = await person()
    for name in (
        "",
        "  ",
        "x" * 151,
        "a\x00b",
        "\u200b",
        "\u2800\u3164",
        "\ufeff\u00ad",
        "Ro\u200bsa",
        "Ro\u202esa",
    ):
        assert await api.code(SIGN_UP, input=ACCOUNT | {"firstName": name}) == "BAD_USER_INPUT"
        assert await api.code(SIGN_UP, input=ACCOUNT | {"lastName": name}) == "BAD_USER_INPUT"


@embedded
async def test_the_longest_names_fit_their_columns(person: SignUp, live_server: LiveServer) -> None:
    names = {"firstName": "\U0001f600" * 150, "lastName": "e\u0301" * 75}
    api = await person("DRIVER", username="\u3316" * 75, **names)
    assert api.user["firstName"] == names["firstName"]


async def test_a_name_whose_folded_form_is_too_long_for_its_column_is_invalid(person: SignUp) -> None:
    payload = await (await person()).data(SIGN_UP, input=ACCOUNT | {"username": "\u3316" * 150})
    assert codes(payload) == ["USERNAME_INVALID"]


# Passwords.


@embedded
async def test_a_password_of_128_characters_is_accepted_and_one_more_is_refused(person: SignUp) -> None:
    longest = (PASSWORD * 10)[:128]
    api = await person()
    for password, expected in ((longest + "x", ["PASSWORD_WEAK"]), (longest, [])):
        fields = {"password1": password, "password2": password}
        assert codes(await api.data(SIGN_UP, input=ACCOUNT | fields)) == expected
    assert codes(await api.data(LOG_IN, username="rosa", password=longest)) == []
    assert codes(await api.data(LOG_IN, username="rosa", password=longest + "x")) == ["BAD_CREDENTIALS"]


@embedded
async def test_no_password_appears_in_an_answer_a_log_line_or_the_database(
    person: SignUp, live_server: LiveServer
) -> None:
    secret, weak = "unguessable-Okapi-77", "okapi1"
    answers: list[str] = []

    async def answer(query: str, **variables: Any) -> None:
        response = await api.http.post("/graphql", json={"query": query, "variables": variables})
        answers.append(response.text + str(response.headers))

    api = await person()
    with structlog.testing.capture_logs() as logs:
        await answer(SIGN_UP, input=ACCOUNT | {"password1": weak, "password2": weak})
        await answer(SIGN_UP, input=ACCOUNT | {"password1": secret, "password2": weak})
        await answer(SIGN_UP, input=ACCOUNT | {"password1": secret, "password2": secret})
        await answer(SIGN_UP, input={"password1": secret, "password2": secret})
        await answer(LOG_IN, username="rosa", password=secret)
        await answer(LOG_IN, username="rosa", password=weak)
        await answer(LOG_IN, username=secret, password=[secret])
        await live_server.application.database.fetch("ALTER TABLE users RENAME TO mislaid")
        await answer(LOG_IN, username="rosa", password=secret)
        await live_server.application.database.fetch("ALTER TABLE mislaid RENAME TO users")
    kept = str([dict(user) for user in await users_kept(live_server)])
    assert "INTERNAL" in answers[-1]
    for text in (*answers, str(logs), kept):
        assert secret not in text
        assert weak not in text
    assert "$argon2id$" in kept
    assert "$argon2" not in str(answers)


# Logging in.


async def test_a_log_in_accepts_the_name_in_any_case_and_unicode_form(person: SignUp) -> None:
    await person("RIDER", username="ren\u00e9e")
    api = await person()
    for name in ("Ren\u00e9e", "RENE\u0301E", " ren\u00e9e ", "\uff32en\u00e9e"):
        payload = await api.data(LOG_IN, username=name, password=PASSWORD)
        assert payload["errors"] == []
        assert payload["user"]["username"] == "ren\u00e9e"


@embedded
async def test_a_long_name_can_log_in_in_its_longest_form(person: SignUp) -> None:
    await person("RIDER", username="\u1eaf" * 150)
    payload = await (await person()).data(LOG_IN, username="a\u0306\u0301" * 150, password=PASSWORD)
    assert payload["errors"] == []


@embedded
async def test_a_deactivated_user_cannot_log_in(person: SignUp, live_server: LiveServer) -> None:
    api = await person("RIDER", username="rosa")
    await live_server.application.database.fetch("UPDATE users SET is_active = $1", False)
    assert codes(await api.data(LOG_IN, username="rosa", password=PASSWORD)) == ["BAD_CREDENTIALS"]
    assert await api.data(ME) is None


@embedded
async def test_every_failed_log_in_costs_one_hash_of_the_same_strength(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = application.services.accounts
    await accounts.create_staff(username="rosa", password=PASSWORD)
    passwords: Any = accounts._passwords  # pyright: ignore[reportPrivateUsage]
    hasher, verified = passwords._hasher, []

    class Recording:
        def verify(self, kept: str, password: str) -> bool:
            verified.append(kept.rpartition("$")[0].rpartition("$")[0])
            return hasher.verify(kept, password)

    monkeypatch.setattr(passwords, "_hasher", Recording())
    for username, password in (
        ("rosa", "wrong"),
        ("nobody", "wrong"),
        ("", "wrong"),
        ("\x00", "wrong"),
        ("x" * 100_000, "wrong"),
        ("rosa", "x" * 100_000),
        ("nobody", "x" * 100_000),
        ("rosa", ""),
    ):
        verified.clear()
        with pytest.raises(Exception, match="wrong"):
            await application.services.log_ins.log_in(username=username, password=password)
        assert verified == [f"$argon2id$v=19$m={HASH_MEMORY_KIB},t=2,p=1"]


# The session's way.


def session_cookie(response: httpx.Response) -> tuple[str, str, dict[str, str]]:
    """The name, value and attributes of the one cookie that a response sets."""
    (header,) = response.headers.get_list("set-cookie")
    (name, _, value), *attributes = (part.strip().partition("=") for part in header.split(";"))
    return name, value.strip('"'), {key.lower(): text.lower() for key, _, text in attributes}


async def log_in(api: Api, **variables: Any) -> httpx.Response:
    body = {"query": LOG_IN, "variables": {"username": "rosa", "password": PASSWORD, **variables}}
    return await api.http.post("/graphql", json=body)


@embedded
async def test_the_cookie_is_http_only_lax_and_for_the_whole_site(person: SignUp, live_server: LiveServer) -> None:
    api = await person("RIDER", username="rosa")
    name, value, attributes = session_cookie(await log_in(api))
    max_age = str(live_server.application.settings.session_max_age_s)
    assert name == "taxirank_session"
    assert attributes == {"httponly": "", "samesite": "lax", "path": "/", "max-age": max_age}
    assert len(value) == 43


@embedded
async def test_behind_https_the_cookie_is_secure_and_bound_to_the_host(settings: Settings) -> None:
    changes = {"public_url": "https://taxi.example", "cookie_samesite": "none"}
    async with serving(settings.model_copy(update=changes)) as server, Api(server.url) as api:
        await server.application.services.accounts.create_staff(username="rosa", password=PASSWORD)
        name, value, attributes = session_cookie(await log_in(api))
        assert name == "__Host-taxirank_session"
        assert attributes.keys() == {"httponly", "samesite", "path", "max-age", "secure"}
        assert (attributes["samesite"], attributes["path"]) == ("none", "/")
        api.http.cookies.clear()
        # A page of another host name could have set the name without the prefix.
        assert await api.post(ME, headers={"Cookie": f"taxirank_session={value}"}) == {"data": {"me": None}}
        found = await api.post(ME, headers={"Cookie": f"{name}={value}"})
        assert found["data"]["me"]["username"] == "rosa"


async def test_a_token_is_issued_only_on_request_and_then_no_cookie(person: SignUp) -> None:
    api, native = await person("RIDER", username="rosa"), await person()
    assert (await log_in(api)).json()["data"]["logIn"]["token"] is None
    response = await log_in(native, issueToken=True)
    assert response.headers.get_list("set-cookie") == []
    token = response.json()["data"]["logIn"]["token"]
    for scheme in ("Bearer", "bearer", "BEARER "):
        found = await native.post(ME, headers={"Authorization": f"{scheme} {token}"})
        assert found["data"]["me"]["username"] == "rosa"
    async with open_socket(native.url) as socket:
        await socket.init({"authorization": f"Bearer {token}"})
        await (await socket.start(MY_TRIPS)).next()
        assert await native.post(LOG_OUT, headers={"Authorization": f"Bearer {token}"})
        assert (await socket.closed()).code == 4401
    assert await native.post(ME, headers={"Authorization": f"Bearer {token}"}) == {"data": {"me": None}}
    assert await api.data(ME) is not None


@embedded
async def test_a_bearer_token_takes_precedence_over_the_cookie_even_if_it_is_invalid(person: SignUp) -> None:
    rider, driver = await person("RIDER"), await person("DRIVER", username="dana")
    token = (await driver.data(LOG_IN, username="dana", password=PASSWORD, issueToken=True))["token"]
    found = await rider.post(ME, headers={"Authorization": f"Bearer {token}"})
    assert found["data"]["me"]["username"] == "dana"
    for authorization in (b"Bearer wrong", b"Bearer", b"Basic cm9zYTp4", b"", b"\xff"):
        response = await rider.http.post("/graphql", json={"query": ME}, headers={"Authorization": authorization})
        assert response.json() == {"data": {"me": None}}


@embedded
async def test_an_invalid_cookie_is_no_session(person: SignUp) -> None:
    api = await person()
    for cookie in (
        "",
        "taxirank_session",
        "taxirank_session=",
        'taxirank_session="',
        'taxirank_session="\\',
        "taxirank_session=\xff\xfe",
        ";;;=;",
        "=" * 5000,
        "taxirank_session=" + "x" * 8000,
        "taxirank_session=a\tb",
    ):
        headers = [(b"Cookie", cookie.encode("latin-1"))]
        response = await api.http.post("/graphql", json={"query": ME}, headers=headers)
        assert response.json() == {"data": {"me": None}}, cookie


async def test_a_log_out_ends_the_session_removes_the_cookie_and_closes_the_sockets(person: SignUp) -> None:
    api = await person("RIDER")
    headers = api.cookie_header()
    async with api.socket() as one, api.socket() as other:
        response = await api.http.post("/graphql", json={"query": LOG_OUT})
        name, value, attributes = session_cookie(response)
        assert (name, value, attributes["max-age"]) == ("taxirank_session", "", "0")
        assert {(await one.closed()).code, (await other.closed()).code} == {4401}
    assert await (await person()).post(ME, headers=headers) == {"data": {"me": None}}
    assert await api.code(LOG_OUT) == "UNAUTHENTICATED"
