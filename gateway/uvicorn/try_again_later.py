"""Refuses a WebSocket with the close code 1013, without creating a socket."""

from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.utils import accept_key

_SUBPROTOCOL = b"graphql-transport-ws"
_CLOSE = Frame(Opcode.CLOSE, Close(CloseCode.TRY_AGAIN_LATER, "Overloaded").serialize()).serialize(mask=False)


def socket_refusal(headers: list[tuple[bytes, bytes]]) -> bytes:
    """An accepted handshake and its end.

    Browsers hide the status of a refused handshake from the page, but not a close code. ``headers``: of a valid
    handshake, with names in lower case.
    """
    named = dict(headers)
    key = accept_key(named.get(b"sec-websocket-key", b"").decode("latin-1")).encode()
    head = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    head += b"sec-websocket-accept: %s\r\n" % key
    # Chromium fails a handshake in which none of its protocols was chosen.
    if _SUBPROTOCOL in named.get(b"sec-websocket-protocol", b"").replace(b" ", b"").split(b","):
        head += b"sec-websocket-protocol: %s\r\n" % _SUBPROTOCOL
    return head + b"\r\n" + _CLOSE
