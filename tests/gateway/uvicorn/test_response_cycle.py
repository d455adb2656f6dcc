"""The heads of answers are the same bytes as uvicorn's."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.security_headers import HEADERS
from gateway.uvicorn.response_cycle import ResponseCycle

_SECURITY = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_LENGTH = (b"content-length", b"4")
_ANSWERS: dict[str, list[tuple[bytes, bytes]]] = {
    "ordinary": [_LENGTH, (b"content-type", b"application/json"), *_SECURITY],
    "closing": [_LENGTH, (b"connection", b"close"), *_SECURITY],
    "of unknown length": [(b"content-type", b"text/plain")],
    "chunked": [(b"transfer-encoding", b"chunked")],
    "with a cookie": [_LENGTH, (b"set-cookie", b"a=b")],
    "with names in upper case": [(b"Content-Length", b"4"), (b"X-Request-ID", b"1")],
    "with an odd name": [_LENGTH, (b"x y", b"1")],
    "with a line break": [_LENGTH, (b"x-y", b"1\r\nx-z: 2")],
    "with the wrong length": [(b"content-length", b"3")],
    "empty": [],
}


class _Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.is_closed = True


async def _sent(kind: type[RequestResponseCycle], headers: list[tuple[bytes, bytes]], **options: Any) -> object:
    transport, ended = _Transport(), list[bool]()
    cycle = kind(
        scope=cast("Any", {"method": options.get("method", "POST"), "http_version": "1.1"}),
        transport=cast("Any", transport),
        flow=FlowControl(cast("Any", transport)),
        logger=logging.getLogger("none"),
        access_logger=logging.getLogger("none"),
        access_log=False,
        default_headers=[(b"date", b"Sat, 28 Nov 2026 12:00:00 GMT")],
        message_event=asyncio.Event(),
        expect_100_continue=True,
        keep_alive=options.get("keep_alive", True),
        on_response=lambda: ended.append(True),
    )
    cycle.disconnected = options.get("disconnected", False)
    cycle.more_body = False
    failure = ""
    try:
        await cycle.send({"type": "http.response.start", "status": options.get("status", 200), "headers": headers})
        await cycle.send({"type": "http.response.body", "body": b"body", "more_body": False})
    except RuntimeError as error:
        failure = str(error)
    with suppress(RuntimeError):
        await cycle.send({"type": "http.response.body", "body": b"", "more_body": False})
    return b"".join(transport.written), transport.is_closed, ended, failure, cycle.waiting_for_100_continue


@pytest.mark.parametrize("headers", _ANSWERS.values(), ids=list(_ANSWERS))
@pytest.mark.parametrize(
    "options",
    [{}, {"keep_alive": False}, {"method": "HEAD"}, {"status": 204}, {"disconnected": True}],
    ids=["kept alive", "closed", "HEAD", "no content", "disconnected"],
)
async def test_every_answer_is_written_as_uvicorn_writes_it(
    headers: list[tuple[bytes, bytes]], options: dict[str, Any]
) -> None:
    expected = await _sent(RequestResponseCycle, headers, **options)
    # The second time some lines are remembered.
    assert [await _sent(ResponseCycle, headers, **options) for _ in range(2)] == [expected] * 2
