"""The security headers of every answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from application.settings import Settings
from tests.conftest import LiveServer, serving
from tests.support.waiting import PATIENCE_S

pytestmark = [
    pytest.mark.attack("cross-site"),
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HTML = {"Accept": "text/html"}

# Method, path, headers and status: of each kind of answer, and of each layer that answers.
ANSWERS: list[tuple[str, str, dict[str, str], int]] = [
    ("GET", "/graphql?query={__typename}", {}, 200),
    ("GET", "/graphql?query={__typename}", {"Accept": "text/event-stream"}, 200),
    ("GET", "/graphql", {}, 400),
    ("GET", "/graphql", HTML, 200),
    ("PUT", "/graphql", {}, 405),
    ("POST", "/graphql", {}, 415),
    ("POST", "/graphql", {"Content-Type": "application/json"}, 413),
    ("GET", "/graphql", {"Host": "evil.example"}, 421),
    ("OPTIONS", "/graphql", {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, 400),
    ("GET", "/healthz", {}, 200),
    ("POST", "/healthz", {}, 405),
    ("GET", "/metrics", {}, 200),
    ("GET", "/media/none.webp", {}, 404),
    ("GET", "/assets/none.js", {}, 404),
    ("GET", "/nothing", {}, 404),
]


@asynccontextmanager
async def client(server: LiveServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, verify=False, timeout=PATIENCE_S) as http:
        yield http


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a listed origin, so that its layer exists too, and small bodies."""
    return settings.model_copy(update={"allowed_origins": ("https://app.example",), "max_body_bytes": 1024})


async def test_every_answer_has_the_security_headers_and_is_not_cached(live_server: LiveServer) -> None:
    async with client(live_server) as http:
        for method, path, headers, status in ANSWERS:
            body = bytes(2000) if status == 413 else None
            response = await http.request(method, path, headers=headers, content=body)
            assert response.status_code == status, (method, path)
            is_media = path.startswith("/media")
            expected = ALWAYS | ({"Cross-Origin-Resource-Policy": "cross-origin"} if is_media else {})
            assert {name: response.headers.get(name) for name in expected} == expected, path
            assert response.headers["Cache-Control"] == ("no-cache" if headers == HTML else "no-store")
            assert "camera=()" in response.headers["Permissions-Policy"]
            assert response.headers["Referrer-Policy"] in ("no-referrer", "same-origin")
            policy = response.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'")
            assert ("frame-ancestors 'none'" in policy) is not is_media
            assert "unsafe-eval" not in policy
            assert headers == HTML or "script-src" not in policy
            assert "Strict-Transport-Security" not in response.headers
            assert "Server" not in response.headers
            names = [name for name, _ in response.headers.multi_items()]
            assert len(set(names)) == len(names), "no header comes twice"


async def test_an_answer_to_an_unexpected_failure_has_the_security_headers_too(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(live_server.application.photo_store, "get", fail)
    async with client(live_server) as http:
        response = await http.get("/media/any.webp")
    assert response.status_code == 500
    assert {name: response.headers.get(name) for name in ALWAYS} == ALWAYS


async def test_an_https_server_sends_hsts(settings: Settings) -> None:
    async with (
        serving(settings.model_copy(update={"public_url": "https://taxi.example"})) as server,
        client(server) as http,
    ):
        for path in ("/graphql?query={__typename}", "/nothing"):
            response = await http.get(path, headers={"Host": "taxi.example"})
            assert response.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_only_pages_of_listed_origins_can_embed_photos(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"allowed_origins": ()})) as server, client(server) as http:
        response = await http.get("/media/none.webp")
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Vary" not in response.headers
