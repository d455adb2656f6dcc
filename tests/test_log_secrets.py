"""Real servers write no secrets into their logs at the debug level, whatever fails."""

import asyncio
import json
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from application.paths import ROOT
from services.database.connections import Database
from services.database.failures import Conflict
from tests.schema.api.test_incidents import hides_the_inside
from tests.support.api import LOG_IN, MY_TRIPS, SIGN_UP, TRIPS, Api, SocketClosed, open_socket
from tests.support.attacks import Attack
from tests.support.processes import ServerProcess, server_process

pytestmark = pytest.mark.attack("errors")

PASSWORD, WRONG, LITERAL = "tulip-harbor-saddle-41", "wrong-harbor-saddle-42", "literal-harbor-saddle-43"
PICTURE = (ROOT / "docs" / "images" / "rider.jpg").read_bytes()
RESET = """mutation ($token: String!, $password: String!) {
  resetPassword(input: { token: $token, password1: $password, password2: $password }) { errors { code } }
}"""
RESET_LITERALLY = RESET.replace("$token: String!, ", "").replace("$token", '"TOKEN"')
VERIFY = "mutation ($token: String!) { verifyEmail(token: $token) { errors { code } } }"
INCIDENT = re.compile(r"\(incident ([0-9a-f]{32})\)")


@dataclass
class Target:
    """A server, its database, the texts that must not be in its log, and those that must."""

    process: ServerProcess
    database: Path
    secrets: set[str] = field(default_factory=lambda: {PASSWORD, WRONG, LITERAL})
    incidents: set[str] = field(default_factory=set)

    @contextmanager
    def broken(self) -> Iterator[None]:
        """The table of users is missing during the block."""
        connection = sqlite3.connect(self.database)
        try:
            connection.execute("ALTER TABLE users RENAME TO mislaid")
            yield
            connection.execute("ALTER TABLE mislaid RENAME TO users")
        finally:
            connection.close()

    def note(self, shown: str) -> None:
        """Record a message with one incident that a client received."""
        hides_the_inside(shown)
        self.incidents |= set(INCIDENT.findall(shown))


@asynccontextmanager
async def target(folder: Path, template: Path, form: str) -> AsyncIterator[Target]:
    """A server that logs everything, in that format."""
    database = folder / f"{form}.sqlite3"
    shutil.copy(template, database)
    async with server_process(
        database_url=f"sqlite://{database}",
        media_url=folder / "media",
        password_hash_memory_kib=1024,
        log_level="debug",
        log_format=form,
    ) as process:
        yield Target(process, database)


async def test_no_password_and_no_token_is_in_the_log_and_every_incident_is(
    tmp_path: Path, sqlite_template: Path, attempts: Attack
) -> None:
    async with AsyncExitStack() as stack:
        forms = ("console", "json")
        targets = [await stack.enter_async_context(target(tmp_path, sqlite_template, form)) for form in forms]
        await asyncio.gather(*(attack(each, attempts) for each in targets))
        logs = [each.process.log() for each in targets]
    for each, log in zip(targets, logs, strict=True):
        assert "request" in log, "it logs what is asked"
        for secret in each.secrets:
            assert secret not in log
        assert len(each.incidents) == 6
        for incident in each.incidents:
            lines = [line for line in log.splitlines() if incident in line]
            assert len(lines) == 1
    for line in logs[1].splitlines():
        assert json.loads(line)["event"]


async def attack(server: Target, attempts: Attack) -> None:
    await server.process.ready()
    async with Api(server.process.url) as api, Api(server.process.url) as app:
        fields = {
            "username": "robin@example.com",
            "password1": PASSWORD,
            "password2": PASSWORD,
            "firstName": "Robin",
            "lastName": "Okafor",
            "role": "RIDER",
            "photo": None,
        }
        operations = json.dumps({"query": SIGN_UP, "variables": {"input": fields}})
        form = {"operations": operations, "map": '{"0": ["variables.input.photo"]}'}
        signed_up = await api.http.post(
            "/graphql",
            data=form,
            files={"0": ("me.jpg", PICTURE, "image/jpeg")},
            headers={"GraphQL-Require-Preflight": "1"},
        )
        assert signed_up.json()["data"]["signUp"]["errors"] == []
        named = {"username": "robin@example.com", "issueToken": True}
        token = (await app.data(LOG_IN, password=PASSWORD, **named))["token"]
        server.secrets |= {token, *api.http.cookies.values()}
        app.http.headers["Authorization"] = f"Bearer {token}"

        # Invalid requests that contain a secret.
        assert (await api.data(LOG_IN, password=WRONG, **named))["errors"][0]["code"] == "BAD_CREDENTIALS"
        document = f'mutation {{ logIn(username: "robin@example.com", password: "{LITERAL}") {{'
        for body in (document, "{}", f'{{"query": "{document}', json.dumps({"query": document})):
            answer = await api.http.post("/graphql", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code in (200, 400)
            attempts.add()
        for path in ("/graphql", "/media/x", "/nowhere"):
            await api.http.get(path, params={"query": document, "token": token})
            attempts.add()

        # A letter's token, in all ways that a client may send it.
        link_token, new_password = "tok-" + "en" * 20, "violet-harbor-saddle-44"
        server.secrets |= {link_token, new_password}
        for document, variables in (
            (RESET, {"token": link_token, "password": new_password}),
            (
                RESET.replace("$token: String!, ", "").replace("$token", f'"{link_token}"'),
                {"password": new_password},
            ),
            (VERIFY, {"token": link_token}),
        ):
            answer = await api.http.post("/graphql", json={"query": document, "variables": variables})
            assert "TOKEN_INVALID" in answer.text
            attempts.add()
        for path in ("/reset-password", "/verify-email"):
            await api.http.get(path, params={"token": link_token})
            attempts.add()

        # Failures of the server that involve a secret.
        with server.broken():
            for asked in (
                api.http.post("/graphql", json={"query": SIGN_UP, "variables": {"input": fields}}),
                api.http.post("/graphql", json={"query": LOG_IN, "variables": {"password": PASSWORD, **named}}),
                api.http.post("/graphql", json={"query": TRIPS}),
                app.http.post("/graphql", json={"query": MY_TRIPS}, headers={"Accept": "text/event-stream"}),
            ):
                server.note((await asked).text)
                attempts.add()
            for headers, payload in (api.cookie_header(), None), (None, {"authorization": f"Bearer {token}"}):
                async with open_socket(server.process.url, headers=headers) as socket:
                    with pytest.raises(SocketClosed) as closed:
                        await socket.init(payload)
                    assert closed.value.code == 1013
                    server.note(closed.value.reason)
                    attempts.add()
        async with open_socket(server.process.url) as socket:
            await socket.init({"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("backend", ["production"], indirect=True)
async def test_a_row_that_the_database_refuses_is_not_in_the_error(application: object) -> None:
    """PostgreSQL's error contains the whole row, with the hash of a password."""
    database: Database = application.database  # pyright: ignore
    for run in (database.fetch, _in_transaction(database)):
        with pytest.raises(Conflict) as refused:
            await run(
                "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, "
                "is_staff, is_active, created) VALUES (gen_random_uuid(), 'x', 'x', $1, '', '', 'PILOT', FALSE, "
                "TRUE, now())",
                PASSWORD,
            )
        assert "users_role" in refused.value.detail
        assert PASSWORD not in repr((refused.value, refused.value.__cause__, str(refused.value.__cause__)))


def _in_transaction(database: Database):
    async def run(sql: str, *args: object) -> None:
        async with database.transaction() as transaction:
            await transaction.fetch(sql, *args)

    return run
