"""Everything that an anonymous client can send to any path is refused without a failure of the server."""

import asyncio
import gc
import logging
import shutil
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
import structlog

from application.settings import Settings
from tests.conftest import LiveServer, serving
from tests.support.attacks import Attack
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("errors")]

TIMEOUT_S = 0.25
AT_ONCE = 40
BIG = 1024 * 1024 + 1

PATHS = [
    "/",
    "/graphql",
    "/graphql?query={__typename}",
    "/healthz",
    "/readyz",
    "/metrics",
    "/media/none.webp",
    "/assets/none.js",
    "/admin",
    "/admin/",
    "/admin/login",
    "/admin/login?next=%2Fadmin%2F",
    "/admin/logout",
    "/admin/trip/list",
    "/admin/user/create",
    "/admin/trip/detail?pk=x",
    "/admin/_api/user/row-action?name=x&pk=1",
    "/admin/_api/user/relation-lookup?q=x",
    "/admin/static/js/sa-dom.js",
    "/nothing",
]
# The rest of a path after a folder.
ENDINGS = [
    "%FF",
    "%00",
    "%0A",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/x",
    "/x",
    "a" * 5000,
    "%",
    "%zz",
    ";",
    "\\x",
]
ADDRESSES = [
    "*",
    "//",
    "//evil.example/x",
    "http://",
    "http://[/",
    "http://taxirank:x/",
    "https://taxirank/graphql",
]
ADDRESSES += ["taxirank:80", "?", "?x", "graphql", "/?%ff=%ff&next=http://[", "/admin/login?next=http://["]
METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "CONNECT",
    "PROPFIND",
    "get",
    "G(T",
]
SOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
FIELDS = [
    "",
    "Host: taxirank\r\n",
    "Host: evil.example\r\n",
    "Host : a\r\n",
    "Host:\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-For: x\r\n",
    "Host: taxirank:99999\r\n",
    "Host: [:::]:1\r\n",
    "Host: ..\r\n",
    "Host: -_-:\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: \x0bchunked\r\n",
    "TE: gzip, chunked\r\n",
    "Expect: 100-continue\r\n",
    "Expect: 200-ok\r\nContent-Length: 1\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
    SOCKET,
    SOCKET + "Content-Length: 5\r\n",
    SOCKET + "Transfer-Encoding: chunked\r\n",
    SOCKET + "X: " + "x" * 9000 + "\r\n",
    SOCKET + "X: y\r\n" * 200,
    SOCKET + "X: \xe9\r\n",
    SOCKET + "Sec-WebSocket-Protocol: ,\r\nSec-WebSocket-Extensions: ;;\r\n",
    SOCKET.replace("13", "x"),
    SOCKET.replace("AAAA==", "\x80"),
    SOCKET + "Origin: http://[\r\n",
    " folded\r\n",
    "X: a\r\n b\r\n",
    "X\x00: a\r\n",
    "X: \x00\r\n",
    "X: \xff\xfe\r\n",
    ": a\r\n",
    "X\r\n",
    "X: a\rb: c\r\n",
    "X: a\nb: c\n",
    "Cookie: \xff\xfe=\x80; taxirank_session=\xe9\r\n",
    "Cookie: taxirank_session=" + "a" * 9000 + "\r\n",
    "Cookie: starlette_admin_csrftoken=\xff; starlette_admin_flash=x.y.z; timezone=../../etc\r\n",
    "Cookie: timezone=Europe\r\n",
    "Cookie: starlette_admin_csrftoken=IngiCg\r\n",
    "Authorization: \xff\r\n",
    "Authorization: Bearer \x80\xff\r\n",
    "Accept: \xff/;q=x\r\n",
    "Accept: text/html;q=9999999999999999999999999\r\n",
    "Accept: " + "a/b;q=0.1," * 2000 + "\r\n",
    "Accept: text/event-stream\r\n",
    "Origin: http://[\r\n",
    "Origin: https://app.example\r\nAccess-Control-Request-Method: \xff\r\n",
    "Origin: http://taxirank\r\n",
    "X-CSRFToken: x\r\n",
    "X-Request-ID: \xff\r\nX-Forwarded-For: \xff, ,\r\nX-Forwarded-Proto: \xff\r\n",
    "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: gopher\r\n",
    "If-None-Match: \xff\r\nIf-Modified-Since: x\r\nRange: bytes=-5,x-\r\n",
    "Range: bytes=99999999999999999999-\r\nIf-Range: x\r\n",
    "If-Modified-Since: Mon, 99 Jan 99999999 00:00:00 GMT\r\n",
]
MULTIPART = "multipart/form-data"
CONTENT_TYPES = [
    "application/json",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=undefined",
    MULTIPART,
    MULTIPART + "; boundary=",
    MULTIPART + '; boundary="',
    MULTIPART + "; boundary=" + "b" * 300,
    MULTIPART + "; boundary=\xff",
    MULTIPART + "; boundary=b",
    MULTIPART + "; boundary=b; charset=undefined",
    MULTIPART + "; boundary=b; charset=idna",
    MULTIPART + "; boundary=b; charset=hex",
    MULTIPART + '; boundary=b; charset="a\x00b"',
    "a multipart/form-data",
    "multipart/mixed; boundary=b",
    ";",
    "\xff",
]
PART = b'--b\r\nContent-Disposition: form-data; name="username"'
BODIES = [
    b"",
    b"x",
    b"{",
    b"[" * 5000,
    b'{"query":"\\ud800"}',
    b"\xff\xfe\x00",
    b"&".join(b"f%d=" % n for n in range(1001)),
    b"username=" + b"x" * BIG,
    b"x" * BIG + b"=1",
    b"username=%ff%fe%00&password=%zz;&=&&",
    b"username=%ED%A0%80&password=x&csrftoken=%ff",
    b"--b",
    b"--b--\r\n",
    PART + b"\r\n\r\nx",
    PART + b"\r\n\r\n" + b"x" * BIG + b"\r\n--b--\r\n",
    PART + b"\r\n\r\n\xff\xfe\r\n--b--\r\n",
    PART + b'; filename="a"\r\n\r\nx\r\n--b--\r\n',
    PART.replace(b'; name="username"', b"") + b"\r\n\r\nx\r\n--b--\r\n",
    b"--b\r\n\r\nx\r\n--b--\r\n",
    PART + b"\r\nX: " + b"x" * 9000 + b"\r\n\r\nx\r\n--b--\r\n",
    (PART + b"\r\n\r\nx\r\n") * 1001 + b"--b--\r\n",
    PART + b"; filename*=utf-8''%ff; filename=\xff\r\nContent-Transfer-Encoding: base64\r\n\r\n=\r\n--b--\r\n",
]


def request(method: str, address: str, fields: str, body: bytes = b"", version: str = "1.1") -> bytes:
    """A request; with the server's Host, unless the fields have one."""
    host = "" if fields.lower().startswith("host") else "Host: taxirank\r\n"
    head = f"{method} {address} HTTP/{version}\r\n{host}{fields}"
    if "Connection:" not in fields:
        head += "Connection: close\r\n"
    return head.encode("latin-1") + b"\r\n" + body


def with_body(path: str, content_type: str, body: bytes, fields: str = "") -> bytes:
    """A POST request."""
    fields += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return request("POST", path, fields, body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveServer]:
    """A server with short time-outs, and with every layer and every route."""
    folder = tmp_path_factory.mktemp("malformed")
    shutil.copy(sqlite_template, folder / "taxirank.sqlite3")
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=f"sqlite://{folder / 'taxirank.sqlite3'}",
        media_url=str(folder / "media"),
        password_hash_memory_kib=1024,
        port=0,
        receive_timeout_s=TIMEOUT_S,
        keep_alive_s=TIMEOUT_S,
        max_body_bytes=2 * BIG,
        allowed_origins=("https://app.example",),
        socket_offence_rate="off",
        log_in_rate="off",
    )
    async with serving(settings) as running:
        yield running


class _Tracebacks(logging.Handler):
    """Records what libraries log as a failure."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self.records.append(record)


@contextmanager
def without_a_failure() -> Iterator[list[MutableMapping[str, Any]]]:
    """Nothing in the block is logged as a failure; yields our own log lines."""
    handler = _Tracebacks()
    logging.getLogger().addHandler(handler)
    try:
        with structlog.testing.capture_logs() as logs:
            yield logs
            # An unretrieved error of a task or a future is logged when it is deleted.
            gc.collect()
    finally:
        logging.getLogger().removeHandler(handler)
    failures = [log for log in logs if log["log_level"] in ("error", "critical") or "exc_info" in log]
    found = {repr(log.get("exc_info", log)) for log in failures}
    found |= {logging.Formatter().format(record)[-600:] for record in handler.records}
    assert not found, "\n".join(sorted(found))


class NeverAnswered(Exception):
    """The server neither answers nor closes the connection."""


async def form_token(server: LiveServer) -> str:
    """The fields of a request with a form token, without a log-in."""
    async with httpx.AsyncClient(base_url=server.url, verify=False, timeout=PATIENCE_S) as http:
        await http.get("/admin/login")
        token = http.cookies["starlette_admin_csrftoken"]
    return f"X-CSRFToken: {token}\r\nCookie: starlette_admin_csrftoken={token}\r\n"


async def answer(server: LiveServer, sent: bytes) -> bytes:
    """The answer, up to the end of the connection."""
    parts = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    received = b""
    try:
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionError):
                writer.write(sent)
                if b"pgrade: websocket" in sent:
                    # An accepted socket stays open.
                    received = await reader.read(65536)
                else:
                    while piece := await reader.read(65536):
                        received += piece
    except TimeoutError:
        raise NeverAnswered from None
    finally:
        writer.transport.abort()
    return received


async def all_refused(server: LiveServer, requests: list[bytes]) -> None:
    """None of them causes a failure or stays unanswered."""
    free = asyncio.Semaphore(AT_ONCE)

    wrong: list[str] = []

    async def one(sent: bytes) -> None:
        async with free:
            try:
                received = await answer(server, sent)
            except NeverAnswered:
                wrong.append(f"never answered: {sent[:300]!r}")
                return
        # Nothing: the connection was reset, because more was sent than was read.
        if (received and not received.startswith(b"HTTP/1.1 ")) or received[9:10] == b"5":
            wrong.append(f"{received[:60]!r} to {sent[:300]!r}")

    with without_a_failure():
        await asyncio.gather(*map(one, requests))
    assert not wrong, "\n".join(wrong)


async def test_no_head_makes_the_server_fail(server: LiveServer, attempts: Attack) -> None:
    requests = [request("GET", path, fields) for path in PATHS for fields in FIELDS]
    for path in ("/graphql", "/admin/login"):
        requests += [request(method, path, fields) for method in ("POST", "OPTIONS") for fields in FIELDS]
    requests += [request(method, path, "") for method in METHODS for path in PATHS]
    requests += [request("GET", path, "", version=version) for path in PATHS for version in ("1.0", "0.9", "2.0")]
    attempts.add(len(requests))
    await all_refused(server, requests)


async def test_no_url_makes_the_server_fail(server: LiveServer, attempts: Attack) -> None:
    folders = {path.partition("?")[0].rstrip("/") for path in PATHS}
    addresses = [*ADDRESSES, *(f"{folder}/{ending}" for folder in folders for ending in ENDINGS)]
    requests = [request("GET", address, "") for address in addresses]
    for address in ADDRESSES:
        for method in ("GET", "OPTIONS", "CONNECT"):
            requests += [request(method, address, fields) for fields in ("", "Host: evil.example\r\n")]
    attempts.add(len(requests))
    await all_refused(server, requests)


async def test_no_body_makes_the_server_fail(server: LiveServer, attempts: Attack) -> None:
    token = await form_token(server)
    requests: list[bytes] = []
    for content_type in CONTENT_TYPES:
        for body in BODIES:
            if len(body) < BIG or content_type.endswith(("form-urlencoded", "=b")):
                requests.append(with_body("/graphql", content_type, body, "GraphQL-Require-Preflight: 1\r\n"))
                requests.append(with_body("/admin/login", content_type, body))
                # Everybody can get the token of no session: the form behind it is parsed by other code.
                requests.append(with_body("/admin/login", content_type, body, token))
    attempts.add(len(requests))
    await all_refused(server, requests)


@pytest.mark.parametrize("with_token", [False, True], ids=["without a token", "with a token"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=" % n for n in range(1001))),
        ("application/x-www-form-urlencoded", b"username=" + b"x" * BIG),
        (MULTIPART, PART + b"\r\n\r\nx\r\n--b--\r\n"),
        (MULTIPART + "; boundary=b", b"--b\r\n\r\nx\r\n--b--\r\n"),
        (MULTIPART + "; boundary=b; charset=undefined", PART + b"\r\n\r\nx\r\n--b--\r\n"),
    ],
    ids=["1,001 fields", "a field over 1 MB", "no boundary", "no name", "no charset"],
)
async def test_a_form_that_cannot_be_read_is_400(
    server: LiveServer, content_type: str, body: bytes, with_token: bool
) -> None:
    fields = await form_token(server) if with_token else ""
    with without_a_failure():
        received = await answer(server, with_body("/admin/login", content_type, body, fields))
    assert received.startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_disconnects_in_the_middle_of_a_form_causes_no_failure(server: LiveServer) -> None:
    parts = urlsplit(server.url)
    with without_a_failure() as logs:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(with_body("/admin/login", "application/x-www-form-urlencoded", b"username=x")[:-1])
        await writer.drain()
        writer.close()
        # Those of the tests before may still be noted.
        await until(
            lambda: [log for log in logs if (log["event"], log.get("path")) == ("request", "/admin/login")]
        )
    assert logs[-1]["status"] == 400
