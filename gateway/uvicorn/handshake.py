"""The opening handshake of a WebSocket (RFC 6455, section 4.2), read from a head that is parsed already."""

import re
from base64 import b64encode
from hashlib import sha1

from gateway.uvicorn.request_head import Fields

# Longer heads, and those with more fields, go uvicorn's way, where websockets has limits of its own.
MAX_BYTES = 4096
MAX_FIELDS = 64

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Sixteen bytes.
_KEY = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
_ONCE = frozenset((b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version", b"origin"))


def accept_of(url: bytes, fields: Fields) -> bytes | None:
    """``Sec-WebSocket-Accept`` for a handshake that is certainly valid.

    None for all others: uvicorn and websockets read them again, and say what is wrong.

    ``fields``: of a GET of HTTP/1.1, with names in lower case.
    """
    size = len(url) + sum(len(name) + len(value) for name, value in fields)
    if size > MAX_BYTES or len(fields) > MAX_FIELDS or not url.isascii():
        return None
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in _ONCE:
            if name in found:
                return None
            found[name] = value
    key = found.get(b"sec-websocket-key", b"")
    if (
        found.get(b"upgrade", b"").lower() != b"websocket"
        or found.get(b"sec-websocket-version") != b"13"
        or b"upgrade" not in (token.strip() for token in found.get(b"connection", b"").lower().split(b","))
        or not _KEY.fullmatch(key)
    ):
        return None
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def subprotocols_of(fields: Fields) -> list[str]:
    """What the client offers, in its order."""
    return [
        token.strip()
        for name, value in fields
        if name == b"sec-websocket-protocol"
        for token in value.decode("latin-1").split(",")
    ]
