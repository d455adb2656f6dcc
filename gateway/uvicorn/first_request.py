"""New connections of a busy process: first requests wait, and are refused, at a fifth of the ordinary cost.

An ordinary connection is prepared to be used for long. If each request comes over its own connection, and they are
more than the process can serve, that preparation takes all the time: all wait in the system's queue.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.utils import get_remote_addr

from gateway.uvicorn.admitting_protocol import ALLOWED_ORIGINS
from gateway.uvicorn.clients import client_network
from gateway.uvicorn.http_protocol import HttpProtocol
from gateway.uvicorn.overload_answer import overload_answer
from services.runtime.admission import ADMISSION, Admission, Ticket

# A connection that has sent nothing by then is an ordinary one, which has its own limit of time.
FIRST_BYTES_S = 1.0

# Only what is certain is refused here. All else, such as probes and handshakes, goes the ordinary way.
_REFUSABLE = re.compile(rb"(?:POST|GET) /graphql(?:\?[!-~]*)? HTTP/1\.1\r\n")
_NOT_REFUSABLE = re.compile(rb"\r\n(?:upgrade|transfer-encoding|expect)[ \t]*:")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*(?=\r\n)")
_FORWARDED_FOR = re.compile(rb"\r\nx-forwarded-for:[ \t]*([^\r\n]*)")
_ORIGIN = re.compile(rb"(?i)\r\norigin:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)")


def connection(*, app_state: dict[str, Any], **options: Any) -> asyncio.Protocol:
    """The protocol of a new connection."""
    admission: Admission | None = app_state.get(ADMISSION)

    def ordinary() -> HttpProtocol:
        return HttpProtocol(app_state=app_state, **options)

    if admission is None or not admission.is_full:
        return ordinary()
    return FirstRequest(ordinary, admission, app_state=app_state, **options)


class FirstRequest(asyncio.Protocol):
    """A connection that has sent nothing. Its first request waits for a place, and may be refused. With a place,
    or with anything else, the connection becomes an ordinary one.
    """

    __slots__ = (
        "_admission",
        "_allowed_origins",
        "_app",
        "_connections",
        "_default_headers",
        "_is_stopping",
        "_make_ordinary",
        "_received",
        "_ticket",
        "_timer",
        "_transport",
    )

    _transport: asyncio.Transport
    _timer: asyncio.TimerHandle

    def __init__(
        self,
        make_ordinary: Callable[[], HttpProtocol],
        admission: Admission,
        *,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        **_: Any,
    ) -> None:
        self._make_ordinary = make_ordinary
        self._admission = admission
        self._app = config.loaded_app
        self._connections: set[Any] = server_state.connections
        self._default_headers: list[tuple[bytes, bytes]] = server_state.default_headers
        self._allowed_origins: tuple[str, ...] = app_state.get(ALLOWED_ORIGINS, ())
        # Of a request that waits.
        self._ticket: Ticket | None = None
        self._received = b""
        self._is_stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        # uvloop's does not inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(FIRST_BYTES_S, self._become_ordinary)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self._timer.cancel()
        self._connections.discard(self)
        if self._ticket is not None:
            self._ticket.cancel()

    def data_received(self, data: bytes) -> None:
        """Let the request wait or refuse it, or pass everything on."""
        if self._transport.is_closing():
            return
        self._received += data
        if self._ticket is not None:
            # Of a next request: the rest waits in the system's buffer.
            self._transport.pause_reading()
            return
        head = _whole_head(data)
        client = self._client(head) if head is not None else ""
        if head is not None and self._admission.refuses_at_once(client):
            self._refuse()
        elif head is not None and self._admission.is_full:
            self._timer.cancel()
            self._ticket = self._admission.wait(client, self._begin, self._refuse)
        else:
            self._become_ordinary().data_received(data)

    def _begin(self, ticket: Ticket) -> None:
        self._transport.resume_reading()
        protocol = self._become_ordinary()
        protocol.receive_admitted(self._received, ticket)
        if self._is_stopping:
            protocol.shutdown()

    def _refuse(self, _: Ticket | None = None) -> None:
        head_end = self._received.find(b"\r\n\r\n")
        origin = _ORIGIN.search(self._received, 0, head_end + 2)
        self._transport.write(
            overload_answer(
                self._default_headers,
                origin=origin[1] if origin else b"",
                allowed_origins=self._allowed_origins,
                has_body=True,
                keeps_alive=False,
            )
        )
        self._transport.close()

    def shutdown(self) -> None:
        """The server stops. What waits is answered before."""
        if self._ticket is not None:
            self._is_stopping = True
        elif not self._transport.is_closing():
            self._become_ordinary().shutdown()

    def _become_ordinary(self) -> HttpProtocol:
        self.connection_lost(None)
        protocol = self._make_ordinary()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        return protocol

    def _client(self, head: bytes) -> str:
        peer = get_remote_addr(self._transport)
        return client_network(self._app, peer[0] if peer else None, b", ".join(_FORWARDED_FOR.findall(head)))


def _whole_head(data: bytes) -> bytes | None:
    """The head, in lower case, if the bytes are exactly one whole request that may be refused here."""
    if not _REFUSABLE.match(data):
        return None
    end = data.find(b"\r\n\r\n") + 2
    head = data[:end].lower()
    if end < 2 or _NOT_REFUSABLE.search(head):
        return None
    lengths = _LENGTH.findall(head)
    length = int(lengths[0]) if lengths else 0
    is_whole = len(lengths) == head.count(b"\r\ncontent-length") and len(lengths) <= 1
    return head if is_whole and len(data) == end + 2 + length else None
