"""Encodes the messages that are sent on a socket as frames."""

import struct

import orjson

from schema.transport.send_queue import Frame
from schema.transport.socket_messages import CloseCode
from services.runtime.memory import trimmed


class OperationFraming:
    """``next`` and ``complete`` messages of one operation id."""

    def __init__(self, operation_id: str) -> None:
        self.key = f"socket {operation_id}"
        self._id = trimmed(orjson.dumps(operation_id))

    def only(self, payload: bytes) -> Frame:
        """The only result and ``complete`` together, as encoded frames."""
        return {"ready": _text_message(self._next(payload)) + _text_message(self._complete())}

    def next(self, payload: bytes) -> Frame:
        """The message with one result, given as JSON."""
        return text_frame(self._next(payload))

    def complete(self) -> Frame:
        """The end of the operation."""
        return text_frame(self._complete())

    def _next(self, payload: bytes) -> bytes:
        return b'{"id":' + self._id + b',"type":"next","payload":' + payload + b"}"

    def _complete(self) -> bytes:
        return b'{"id":' + self._id + b',"type":"complete"}'


def text_frame(data: bytes) -> Frame:
    """A text message, for ASGI and as an encoded frame."""
    return {"type": "websocket.send", "text": data.decode(), "ready": _text_message(data)}


def close_frame(code: CloseCode, reason: str) -> Frame:
    """The message that closes a socket."""
    # A close reason has at most 123 bytes (RFC 6455, section 5.5).
    return {
        "type": "websocket.close",
        "code": int(code),
        "reason": reason.encode()[:120].decode(errors="ignore"),
    }


def _text_message(data: bytes) -> bytes:
    """The WebSocket frame of a text message; unmasked, so that it is the same for every client.

    Source: RFC 6455, section 5.2
    """
    size = len(data)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + data
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size) + data
    return struct.pack("!BBQ", 0x81, 127, size) + data
