"""Checks of a request's head, before the application sees the request.

If two programs read one request differently, an attacker can use the difference (request smuggling): the proxy
checks one request, and this server answers another. This module refuses what RFC 9112 leaves open, and what it
forbids but parsers accept.
"""

import functools
import re

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.security_headers import HEADERS
from models.frozen import frozen

Fields = list[tuple[bytes, bytes]]

# A name, an IPv4 address, or an IPv6 address in brackets; and a port. Empty if the URL has no host.
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?")
_MAX_HOST_BYTES = 261  # A name of 253 characters, and a port.
# The security headers of an answer that is written without the application.
FRAMING = b"".join(b"%s: %s\r\n" % (name.lower().encode(), value.encode()) for name, value in HEADERS.items())


@frozen
class Refusal:
    """The reason of a refusal."""

    status: int
    code: str
    message: str

    def answer(self) -> bytes:
        """A complete HTTP answer, after which the connection is closed."""
        error = {"message": self.message, "extensions": {"code": self.code}}
        body = orjson.dumps({"errors": [error]})
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
        return STATUS_LINE[self.status] + head + FRAMING + b"\r\n" + body


class Refused(Exception):
    """Ends the parsing of a request."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def malformed(message: str) -> Refusal:
    """The request is not HTTP, or could be read in two ways."""
    return Refusal(400, "BAD_REQUEST", message)


def check(fields: Fields, *, version: str) -> None:
    """Check that a head can be read in one way only.

    ``fields``: with names in lower case.

    Raises:
        Refused
    """
    if version not in ("1.1", "1.0"):
        raise Refused(malformed("The version of HTTP must be 1.1 or 1.0."))
    names = [name for name, _ in fields]
    hosts = names.count(b"host")
    if hosts != 1 and (hosts or version == "1.1"):
        raise Refused(malformed("A request must have one Host header."))
    host = fields[names.index(b"host")][1] if hosts else b""
    # A long value must not enter the cache.
    if len(host) > _MAX_HOST_BYTES or not _is_host(host):
        raise Refused(malformed("The Host header must be a name or an address, with or without a port."))
    if b"transfer-encoding" in names:
        codings = [value.strip().lower() for name, value in fields if name == b"transfer-encoding"]
        if version == "1.0" or codings != [b"chunked"] or b"content-length" in names:
            raise Refused(
                malformed("Transfer-Encoding must be only chunked, without Content-Length, and not in HTTP/1.0.")
            )


def check_handshake(fields: Fields, *, version: str, method: bytes) -> None:
    """Check that a request for a WebSocket is a valid handshake.

    Raises:
        Refused
    """
    if (version, method) != ("1.1", b"GET"):
        raise Refused(malformed("A WebSocket must be opened by GET, and not in HTTP/1.0."))
    named = dict(fields)
    if b"transfer-encoding" in named or named.get(b"content-length", b"").strip(b"0"):
        # No code reads such a body, so waiting for its end would never finish.
        raise Refused(malformed("A request for a WebSocket must not have a body."))


@functools.lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def origin_form(target: bytes, fields: Fields) -> bytes:
    """The path and query of a request's target. The host of an absolute URL replaces that of the header.

    Source: RFC 9112, section 3.2

    Raises:
        Refused: the target is neither a path nor an http URL (``*`` and ``host:port`` are neither).
    """
    if not target.isascii():
        raise Refused(malformed("The URL is not ASCII."))
    if target.startswith(b"/"):
        return target
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        url = None
    if url is None or url.schema not in (b"http", b"https") or not url.host or url.userinfo:
        raise Refused(malformed("The URL of a request must begin with a slash, or be an absolute http URL."))
    query = b"?" + url.query if url.query else b""
    host = b"[%s]" % url.host if b":" in url.host else url.host
    if url.port:
        host += b":%d" % url.port
    fields[:] = [(b"host", host), *(field for field in fields if field[0] != b"host")]
    return (url.path or b"/") + query
