"""uvicorn's answer to one request, with a faster way to write its head."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

from services.runtime.admission import Ticket

# If this much of a body at most can still come, it is read after the answer, and the connection is used again.
MAX_REST_BYTES = 16 * 1024
# They decide how uvicorn frames the answer, or hold a secret.
_NOT_REMEMBERED = (b"connection", b"transfer-encoding", b"set-cookie")


class ResponseCycle(RequestResponseCycle):
    """Writes the head of an ordinary answer of known length; uvicorn writes everything else.

    uvicorn checks the name and the value of each header with a regular expression every time. Nearly all answers
    have the same headers.

    A request has its place among those under way until its answer begins, except while it waits for its client.

    An answer that comes before a long body is the last of its connection: the rest would only be dropped.

    HTTP/1.0 has no chunks. There, an answer of unknown length ends with its connection.

    uvicorn closes the connection after an answer that is its last. If the body has not arrived, the protocol ends
    it instead (``LingeringProtocol``).
    """

    # None: it takes no place.
    ticket: Ticket | None = None
    # Whether the connection has to end in that way.
    lingers = False
    # Whether the end of the connection is the end of the answer.
    ends_with_connection = False

    async def receive(self) -> Any:
        """Part of ASGI."""
        ticket = self.ticket
        if ticket is None or self.message_event.is_set() or self.response_started:
            return await super().receive()
        # A client that sends a body slowly takes no place from others.
        ticket.pause()
        try:
            return await super().receive()
        finally:
            ticket.resume()

    async def send(self, message: Any) -> None:
        """Part of ASGI."""
        if self.ticket is not None and not self.response_started:
            # An event stream lasts for hours, and a slow reader for minutes.
            self.ticket.leave()
        if not self.response_started and self.more_body and self.keep_alive:
            self.keep_alive = not _is_long(self.scope["headers"])
        if not self.response_started and message["type"] == "http.response.start":
            length, head = self._head(message)
            if length is not None:
                self.response_started = True
                self.waiting_for_100_continue = False
                self.chunked_encoding = False
                self.expected_content_length = length
                self.transport.write(head)
                return
            self.ends_with_connection = self.scope["http_version"] == "1.0" and not _has_length(message)
            if self.ends_with_connection:
                self.chunked_encoding = False
        elif self.ends_with_connection:
            # uvicorn compares.
            self.expected_content_length = len(message.get("body", b""))
        if self.more_body and not self.keep_alive and _is_end(message):
            self.lingers = self.keep_alive = True
        await super().send(message)

    def _head(self, message: Any) -> tuple[int | None, bytes]:
        """The length and the head of an answer. No length: uvicorn has to write it, or to refuse it."""
        length = None
        if not self.keep_alive or self.flow.write_paused or self.disconnected or self.access_log:
            return None, b""
        head = [STATUS_LINE[message["status"]]]
        for name, value in (*self.default_headers, *message.get("headers", ())):
            line = _line(name, value) if name not in _NOT_REMEMBERED else None
            if line is None:
                return None, b""
            if name == b"content-length":
                length = int(value)
            head.append(line)
        head.append(b"\r\n")
        return length, b"".join(head)


def _is_long(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the body may be longer than ``MAX_REST_BYTES``: one in chunks does not say. The parser has checked
    the length.
    """
    named = dict(headers)
    return b"transfer-encoding" in named or int(named.get(b"content-length", b"0")) > MAX_REST_BYTES


def _has_length(message: Any) -> bool:
    return any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))


def _is_end(message: Any) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body", False)


@lru_cache(maxsize=128)
def _line(name: bytes, value: bytes) -> bytes | None:
    """A header as it is written; None if it is not valid."""
    is_valid = not HEADER_RE.search(name) and not HEADER_VALUE_RE.search(value)
    return b"%s: %s\r\n" % (name, value) if is_valid and name.islower() else None
