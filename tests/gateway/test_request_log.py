"""The middleware of every HTTP request: its id, its log line, and the limit of its body."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, cast

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from gateway.body_limit import BodyLimit
from gateway.request_log import RequestId

LIMIT = 100


async def _echo(request: Request) -> Response:
    structlog.stdlib.get_logger("test").info("echo")
    return Response(await request.body())


async def _unread(_: Request) -> Response:
    return JSONResponse({})


@pytest.fixture
def observed() -> list[tuple[str, int, float]]:
    """The calls of the observer of requests."""
    return []


@pytest.fixture
def client(observed: list[tuple[str, int, float]]) -> httpx.AsyncClient:
    app = Starlette(
        routes=[
            Route("/echo", _echo, methods=["GET", "POST"]),
            Route("/unread", _unread, methods=["POST"]),
            Route("/healthz", _unread),
        ],
        middleware=[
            Middleware(RequestId, observe=lambda *request: observed.append(request)),
            Middleware(BodyLimit, max_bytes=LIMIT, max_bytes_together=10 * LIMIT, timeout_s=60),
        ],
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://taxirank.test", verify=False)


async def test_a_requests_id_is_in_its_answer_and_in_its_log_lines(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        one, other = await client.get("/echo"), await client.get("/echo")
    ids = [response.headers["X-Request-ID"] for response in (one, other)]
    assert ids[0] != ids[1]
    assert [(log["event"], log["request_id"]) for log in logs] == [
        (event, request_id) for request_id in ids for event in ("echo", "request")
    ]
    assert "request_id" not in structlog.contextvars.get_contextvars()


async def test_an_id_that_came_with_the_request_is_kept(client: httpx.AsyncClient) -> None:
    response = await client.get("/echo", headers={"X-Request-ID": "proxy-1.2_3"})
    assert response.headers["X-Request-ID"] == "proxy-1.2_3"


@pytest.mark.attack("errors")
@pytest.mark.parametrize(
    "given", ["", " ", "a b", "x" * 65, "a\nSet-Cookie: b=c", "a\r\n\r\n<script>", "\xe9", "a;b"]
)
async def test_an_id_in_another_form_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get("/echo", headers=[(b"x-request-id", given.encode("latin-1"))])
    (request_id,) = response.headers.get_list("x-request-id")
    assert len(request_id) == 32
    assert request_id.isalnum()
    assert "set-cookie" not in response.headers


async def test_a_request_is_logged_with_its_path_and_its_status(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        await client.get("/nothing?token=secret")
    (line,) = logs
    assert (line["method"], line["path"], line["status"]) == ("GET", "/nothing", 404)
    assert line["elapsed_ms"] >= 0


@pytest.mark.attack("errors")
async def test_a_path_cannot_forge_a_line_of_the_log(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        await client.get("/x%0a2026-11-23 [error] incident%1b[31m")
    assert logs[0]["path"] == "/x%0a2026-11-23%20%5Berror%5D%20incident%1b%5B31m"


@pytest.mark.attack("errors")
@pytest.mark.parametrize("path", ["/" + "%FF" * 20_000, "/" + "x" * 60_000, "/" + "%0a" * 20_000])
async def test_a_long_path_is_no_long_line_of_the_log(client: httpx.AsyncClient, path: str) -> None:
    with structlog.testing.capture_logs() as logs:
        await client.get(path)
    assert logs[0]["path"] == path[:256] + "…"


async def test_successful_requests_and_health_checks_are_logged_only_at_debug_level(
    client: httpx.AsyncClient,
) -> None:
    with structlog.testing.capture_logs() as logs:
        for path in ("/unread", "/healthz", "/nothing"):
            await client.post(path)
    levels = [(log["path"], log["status"], log["log_level"]) for log in logs]
    assert levels == [("/unread", 200, "debug"), ("/healthz", 405, "debug"), ("/nothing", 404, "info")]


async def test_a_request_below_the_level_of_the_log_is_not_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="taxirank.access")
    with structlog.testing.capture_logs() as logs:
        await client.post("/unread")
        await client.post("/nothing")
    assert [log["path"] for log in logs] == ["/nothing"]


async def test_the_observer_is_called_for_every_request(
    client: httpx.AsyncClient, observed: list[tuple[str, int, float]]
) -> None:
    await client.get("/healthz")
    await client.get("/nothing")
    assert [(path, status) for path, status, _ in observed] == [("/healthz", 200), ("/nothing", 404)]
    assert all(seconds >= 0 for _, _, seconds in observed)


def assert_too_large(response: httpx.Response) -> None:
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"] == {"code": "PAYLOAD_TOO_LARGE"}
    assert response.headers["Connection"] == "close"
    assert response.headers["X-Request-ID"]


async def test_a_body_of_exactly_the_limit_passes(client: httpx.AsyncClient) -> None:
    assert (await client.post("/echo", content=b"x" * LIMIT)).content == b"x" * LIMIT


@pytest.mark.parametrize("path", ["/echo", "/unread"])
async def test_a_declared_body_above_the_limit_is_refused_unread(client: httpx.AsyncClient, path: str) -> None:
    assert_too_large(await client.post(path, content=b"x" * (LIMIT + 1)))


@pytest.mark.parametrize("length", ["-1", "+5", "1e9", "\xb2", "", "0x10", "9" * 5000])
async def test_a_length_that_is_not_a_number_is_refused(client: httpx.AsyncClient, length: str) -> None:
    headers = [(b"content-length", length.encode("latin-1"))]
    assert_too_large(await client.post("/echo", content=b"x", headers=headers))


async def test_a_body_without_a_length_is_counted_as_it_arrives(client: httpx.AsyncClient) -> None:
    async def chunks(count: int) -> Any:
        for _ in range(count):
            yield b"x" * 10

    assert (await client.post("/echo", content=chunks(10))).content == b"x" * LIMIT
    assert_too_large(await client.post("/echo", content=chunks(11)))


async def test_a_body_that_does_not_arrive_is_408_though_the_answer_begins_while_the_wait_is_being_ended() -> None:
    """Starlette's `BaseHTTPMiddleware` waits for the client to leave in a task beside the one that answers."""

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        async def answer() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await send({"type": "http.response.start", "status": 303, "headers": []})

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answer())
            tasks.create_task(cast("Coroutine[Any, Any, Any]", receive()))

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    limit = BodyLimit(application, max_bytes=LIMIT, max_bytes_together=LIMIT, timeout_s=0)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"1")]}
    await limit(scope, never, send)
    assert [message.get("status") for message in sent] == [408, None]
