"""Which pages can make a browser use the session, over HTTP and with a WebSocket handshake."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
import pytest_asyncio
import structlog
from starlette.datastructures import Headers
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from schema.transport.origins import Origins
from services.limits.sparse_log import SparseLog
from tests.conftest import LiveServer, SignUp
from tests.support.api import MY_TRIPS, Api, open_socket
from tests.support.proxy import development_proxy

pytestmark = [pytest.mark.attack("cross-site"), pytest.mark.asyncio(loop_scope="module")]

TYPENAME = {"query": "{ __typename }"}
ALLOWED = "https://app.example"
# "{own}" stands for the server's own origin.
FROM_OWN_PAGES: list[dict[str, str]] = [
    {"Origin": "{own}"},
    {"Origin": "{own}", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": ALLOWED},
    {"Origin": ALLOWED, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "HTTPS://APP.EXAMPLE"},
]
FROM_FOREIGN_PAGES: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "{own}.evil.example"},
    {"Origin": "{own}@evil.example"},
    {"Origin": "https://app.example.evil.example"},
    {"Origin": "https://app.example:8443"},
    {"Origin": "http://app.example"},
    {"Origin": "null"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "file://"},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1:99999999"},
    {"Origin": "{own}", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
]


def headers_of(server: LiveServer, row: dict[str, str]) -> dict[str, str]:
    return {name: value.format(own=server.url) for name, value in row.items()}


async def post_multipart(api: Api, headers: dict[str, str]) -> httpx.Response:
    parts = {"operations": (None, orjson.dumps(TYPENAME)), "map": (None, b"{}")}
    return await api.http.post("/graphql", files=parts, headers=headers)


async def handshake(url: str, headers: dict[str, str]) -> bool:
    """Whether the server accepts the socket."""
    try:
        async with open_socket(url, headers=headers):
            return True
    except InvalidStatus as refused:
        return refused.response.status_code != 403


@pytest.mark.parametrize("row", FROM_OWN_PAGES, ids=str)
async def test_our_own_pages_and_allowed_ones_are_served(
    shared_server: LiveServer, stranger: Api, row: dict[str, str]
) -> None:
    headers = headers_of(shared_server, row)
    assert (await post_multipart(stranger, headers)).json() == {"data": {"__typename": "Query"}}
    assert await handshake(shared_server.url, headers)


@pytest.mark.parametrize("row", FROM_FOREIGN_PAGES, ids=str)
async def test_foreign_pages_are_refused(shared_server: LiveServer, stranger: Api, row: dict[str, str]) -> None:
    headers = headers_of(shared_server, row)
    response = await post_multipart(stranger, headers)
    assert response.status_code == 403
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert not await handshake(shared_server.url, headers)
    assert await handshake(shared_server.url, {})


async def test_a_form_without_origin_headers_is_refused(stranger: Api) -> None:
    assert (await post_multipart(stranger, {})).status_code == 403


@pytest.mark.parametrize("name", ["GraphQL-Require-Preflight", "Apollo-Require-Preflight"])
async def test_a_header_that_forces_a_preflight_lets_a_form_pass(stranger: Api, name: str) -> None:
    response = await post_multipart(stranger, {name: "", "Origin": "https://evil.example"})
    assert response.json() == {"data": {"__typename": "Query"}}


async def test_a_header_that_forces_a_preflight_does_not_open_a_socket(shared_server: LiveServer) -> None:
    headers = {"GraphQL-Require-Preflight": "1", "Origin": "https://evil.example"}
    assert not await handshake(shared_server.url, headers)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_that_a_page_can_send_without_a_preflight_is_not_read(
    shared_server: LiveServer, stranger: Api, content_type: str
) -> None:
    headers = {"Content-Type": content_type, "Origin": shared_server.url, "GraphQL-Require-Preflight": "1"}
    response = await stranger.http.post("/graphql", content=orjson.dumps(TYPENAME), headers=headers)
    assert response.status_code == 415


async def test_only_our_own_pages_can_subscribe_by_get(shared_server: LiveServer, someone: SignUp) -> None:
    rider = await someone("RIDER")
    params, events = {"query": MY_TRIPS}, {"Accept": "text/event-stream"}
    for row in ({}, *FROM_FOREIGN_PAGES):
        response = await rider.http.get("/graphql", params=params, headers=events | headers_of(shared_server, row))
        assert response.status_code == 403
    for row in FROM_OWN_PAGES:
        headers = events | headers_of(shared_server, row)
        async with rider.http.stream("GET", "/graphql", params=params, headers=headers) as stream:
            assert stream.status_code == 200


@pytest.mark.parametrize("row", FROM_FOREIGN_PAGES, ids=str)
async def test_a_foreign_page_runs_nothing_with_the_session_of_the_user(
    shared_server: LiveServer, member: Api, row: dict[str, str]
) -> None:
    headers = headers_of(shared_server, row)
    # The user opened a bookmark: no page caused the request.
    is_refused = headers != {"Sec-Fetch-Site": "none"}
    body = {"query": "{ me { role } }"}
    by_get = await member.http.get("/graphql", params=body, headers=headers)
    by_post = await member.http.post("/graphql", json=body, headers=headers)
    forced = await member.http.post("/graphql", headers=headers | {"GraphQL-Require-Preflight": "1"}, files=FORM)
    for response in (by_get, by_post, forced):
        assert response.status_code == (403 if is_refused else 200)
        assert ("errors" in response.json()) is is_refused
    # Without a session there is nothing to protect: programs with an unusual origin use a token.
    anonymous = await member.http.get("/graphql", params=body, headers=headers | {"Authorization": "Basic x"})
    assert anonymous.json() == {"data": {"me": None}}
    assert await member.data("{ me { role } }") == {"role": "RIDER"}


FORM = {"operations": (None, orjson.dumps({"query": "{ me { role } }"})), "map": (None, b"{}")}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def member(shared_server: LiveServer) -> AsyncIterator[Api]:
    """A rider who is logged in."""
    async with Api(shared_server.url) as api:
        yield await api.sign_up("RIDER")


async def _raw_status(url: str, *lines: str) -> bytes:
    """The status line of a handwritten request."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status = await reader.readline()
    writer.close()
    return status


@pytest.mark.parametrize("origin", ["http://", "http://:80", "null", "http://["])
async def test_without_a_host_no_origin_counts_as_our_own(shared_server: LiveServer, origin: str) -> None:
    assert b" 403 " in await _raw_status(
        shared_server.url,
        "GET /graphql HTTP/1.0",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
        f"Origin: {origin}",
    ) or b" 40" in await _raw_status(shared_server.url, "GET /graphql HTTP/1.0", f"Origin: {origin}")
    for host in ({}, {"host": ""}, {"host": "["}):
        origins = Origins(public_url=None, allowed=())
        assert not origins.allows_socket({"scheme": "ws"}, Headers({"origin": origin} | host))


@pytest.mark.parametrize(
    ("public_url", "origin", "is_ours"),
    [
        ("https://taxi.example", "https://taxi.example", True),
        ("https://taxi.example", "https://TAXI.example", True),
        ("https://taxi.example", "http://taxi.example", False),
        ("https://taxi.example", "https://taxi.example:8443", False),
        # Behind a proxy the Host header is not reliable.
        ("https://taxi.example", "http://10.0.0.7:8000", False),
        (None, "http://10.0.0.7:8000", True),
        (None, "https://10.0.0.7:8000", True),
        (None, "http://10.0.0.7", False),
    ],
)
async def test_only_the_public_url_defines_our_own_origin(
    public_url: str | None, origin: str, is_ours: bool
) -> None:
    origins = Origins(public_url=public_url, allowed=())
    headers = Headers({"origin": origin, "host": "10.0.0.7:8000"})
    assert origins.allows_socket({"scheme": "ws"}, headers) is is_ours
    assert origins.allows_form({"scheme": "http"}, headers) is is_ours


# CORS.


def cors(response: httpx.Response) -> set[str]:
    return {name for name in response.headers if name.startswith("access-control-")}


async def preflight(api: Api, origin: str, **headers: Any) -> httpx.Response:
    wanted = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    wanted["Access-Control-Request-Headers"] = "content-type,authorization,graphql-require-preflight"
    return await api.http.options("/graphql", headers=wanted | headers)


async def test_a_listed_origin_may_read_answers_with_credentials(stranger: Api) -> None:
    asked = await preflight(stranger, ALLOWED)
    assert asked.status_code == 200
    assert asked.headers["Access-Control-Allow-Origin"] == ALLOWED
    assert asked.headers["Access-Control-Allow-Credentials"] == "true"
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert asked.headers["Access-Control-Max-Age"] == "7200"
    assert "Origin" in asked.headers["Vary"]
    answered = await stranger.http.post("/graphql", json=TYPENAME, headers={"Origin": ALLOWED})
    assert answered.headers["Access-Control-Allow-Origin"] == ALLOWED
    assert answered.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answered.headers["Vary"]
    assert answered.headers["Access-Control-Expose-Headers"] == "X-Request-ID, Retry-After"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "*", "https://app.example.evil.example"])
async def test_no_unlisted_origin_gets_a_cors_header_and_none_gets_a_star(stranger: Api, origin: str) -> None:
    asked = await preflight(stranger, origin)
    assert asked.status_code == 400
    answered = await stranger.http.post("/graphql", json=TYPENAME, headers={"Origin": origin})
    for response in (asked, answered):
        assert cors(response) == set()
        assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("path", ["/graphql?query={__typename}", "/healthz", "/media/none.webp", "/nothing"])
async def test_an_answer_cached_without_an_origin_is_not_used_for_a_listed_one(stranger: Api, path: str) -> None:
    response = await stranger.http.get(path)
    assert "Origin" in response.headers["Vary"]
    assert cors(response) == set()


@pytest.mark.parametrize(
    "asked_for", [{"Access-Control-Request-Method": "PUT"}, {"Access-Control-Request-Headers": "cookie"}], ids=str
)
async def test_a_listed_origin_gets_only_the_methods_and_headers_that_the_api_needs(
    stranger: Api, asked_for: dict[str, str]
) -> None:
    assert (await preflight(stranger, ALLOWED, **asked_for)).status_code == 400


# Refused handshakes: pages do not see the reason.


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been refused yet."""
    for module in ("schema.transport.sockets", "gateway.hosts"):
        monkeypatch.setattr(f"{module}._refusals", SparseLog(module))


async def refused(url: str, headers: dict[str, str], **options: Any) -> Any:
    """The answer to a refused handshake."""
    with pytest.raises(InvalidStatus) as info:
        async with open_socket(url, headers=headers, **options):
            pass
    return info.value.response


@pytest.mark.usefixtures("refusals")
async def test_a_refused_handshake_is_logged_with_its_origin_and_the_remedy(shared_server: LiveServer) -> None:
    origin = "http://localhost:5173"
    with structlog.testing.capture_logs() as logs:
        answer = await refused(shared_server.url, {"Origin": origin})
    (line,) = [log for log in logs if log["log_level"] == "warning"]
    assert (line["event"], line["origin"]) == ("socket refused", origin)
    for told in (line["reason"], orjson.loads(answer.body)["errors"][0]["message"]):
        assert urlsplit(shared_server.url).netloc in told
        assert "TAXIRANK_ALLOWED_ORIGINS" in told
        assert "changeOrigin" in told


@pytest.mark.usefixtures("refusals")
async def test_a_handshake_for_another_name_or_path_is_logged_too(shared_server: LiveServer) -> None:
    port = urlsplit(shared_server.url).port
    with structlog.testing.capture_logs() as logs:
        named = await refused(f"http://evil.example:{port}", {}, host="127.0.0.1")
        with pytest.raises(InvalidStatus) as elsewhere:
            async with connect(f"{shared_server.url.replace('http', 'ws')}/subscriptions"):
                pass
    assert (named.status_code, elsewhere.value.response.status_code) == (403, 404)
    assert b"UNKNOWN_HOST" in named.body
    lines = [log for log in logs if log["event"] == "socket refused"]
    assert [log.get("host") or log.get("path") for log in lines] == [f"evil.example:{port}", "/subscriptions"]
    assert not [log for log in logs if log["log_level"] == "error"]


@pytest.mark.usefixtures("refusals")
async def test_a_flood_of_refused_handshakes_does_not_fill_the_log(shared_server: LiveServer) -> None:
    with structlog.testing.capture_logs() as logs:
        for number in range(30):
            await refused(shared_server.url, {"Origin": f"https://{'x' * 1000}{number}.example"})
    lines = [log for log in logs if log["event"] == "socket refused"]
    assert len(lines) == 10
    assert all(len(log["origin"]) == 500 for log in lines)


@pytest.mark.parametrize(
    ("changes_origin", "is_listed", "opens"),
    [
        pytest.param(True, False, False, id="Vite with changeOrigin"),
        pytest.param(False, False, True, id="Vite as documented"),
        pytest.param(True, True, True, id="Next.js as documented: its origin is listed"),
    ],
)
async def test_a_page_of_a_development_server_opens_a_socket_if_it_is_set_up_as_documented(
    shared_server: LiveServer, changes_origin: bool, is_listed: bool, opens: bool
) -> None:
    async with development_proxy(shared_server.url, changes_origin=changes_origin) as proxy:
        assert await handshake(proxy.url, {"Origin": ALLOWED if is_listed else proxy.url}) is opens
