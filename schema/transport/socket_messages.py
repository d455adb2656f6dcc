"""The messages of graphql-transport-ws, read and written, and its close codes.

Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, cast

import orjson
from graphql import ExecutionResult, GraphQLError

from models.frozen import frozen
from schema.operations.execution import Request, encode
from schema.transport.graphql_request import HasBadValue, NotARequest, NotJson, read_json, read_request
from schema.transport.send_queue import Frame
from services.runtime.memory_cache import compact

SUBPROTOCOL = "graphql-transport-ws"

# Each result repeats the id, so a long one is expensive. Clients use numbers or UUIDs.
MAX_ID_CHARS = 255


class CloseCode(IntEnum):
    """Why a socket is closed. graphql-ws clients reconnect after 1013 and 4403, not after the others."""

    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    CONNECTION_INIT_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    # Too many connection_init messages on one socket, or too many sockets of one user.
    TOO_MANY = 4429


class Closed(Exception):
    """The socket has to be closed."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@frozen
class ConnectionInit:
    """The client introduces itself."""

    authorization: str | None


@frozen
class Ping:
    """The client asks for a pong. ``pong`` is the encoded answer, with the payload of the ping."""

    pong: bytes


@frozen
class Pong:
    """The client answers a ping."""


@frozen
class Subscribe:
    """The client begins an operation."""

    id: str
    request: Request


@frozen
class BadSubscribe:
    """The client begins an operation with a value that cannot be represented."""

    id: str
    message: str


@frozen
class Complete:
    """The client ends an operation."""

    id: str


def parse_message(text: str) -> ConnectionInit | Ping | Pong | Subscribe | BadSubscribe | Complete:
    """Read one message. Raises: Closed with 4400 when it is not one of the protocol's."""
    try:
        message = read_json(text)
    except NotJson:
        raise _bad("The message is not JSON.") from None
    except HasBadValue as error:
        return _bad_subscribe(error)
    if not isinstance(message, dict):
        raise _bad("The message is not an object.")
    message = cast("dict[str, Any]", message)
    payload = message.get("payload")
    match message.get("type"):
        case "subscribe":
            try:
                return Subscribe(_id(message), read_request(payload))
            except NotARequest as error:
                raise _bad(str(error)) from None
        case "connection_init":
            authorization = (_optional_object(payload, "payload of connection_init") or {}).get("authorization")
            return ConnectionInit(authorization if isinstance(authorization, str) else None)
        case "ping":
            return Ping(_pong(_optional_object(payload, "payload of ping")))
        case "pong":
            _optional_object(payload, "payload of pong")
            return Pong()
        case "complete":
            return Complete(_id(message))
        case other:
            raise _bad(f"Unknown message type {other!r}."[:100])


def _bad_subscribe(error: HasBadValue) -> BadSubscribe:
    """The operation to which the error belongs. Raises: Closed with 4400 if there is none."""
    message = cast("dict[str, Any]", error.loose) if isinstance(error.loose, dict) else {}
    if message.get("type") != "subscribe":
        raise _bad(str(error))
    operation_id = _id(message)
    try:
        operation_id.encode()
    except UnicodeEncodeError:
        # The id itself has a lone surrogate, so no error can be sent with it.
        raise _bad(str(error)) from None
    return BadSubscribe(operation_id, str(error))


def _pong(payload: dict[str, Any] | None) -> bytes:
    if payload is None:
        return b'{"type":"pong"}'
    try:
        return orjson.dumps({"type": "pong", "payload": payload})
    except orjson.JSONEncodeError:
        # orjson reads values that are nested four times as deeply as those that it writes.
        raise _bad("The payload of ping is nested too deeply.") from None


def _optional_object(value: Any, what: str) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise _bad(f"Not an object: {what}.")
    return cast("dict[str, Any] | None", value)


def _id(message: dict[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise _bad("The id is not a non-empty string.")
    if len(operation_id) > MAX_ID_CHARS:
        raise _bad(f"The id has more than {MAX_ID_CHARS} characters.")
    return operation_id


def _bad(reason: str) -> Closed:
    return Closed(CloseCode.BAD_REQUEST, reason)


class OperationFraming:
    """``next`` and ``complete`` messages of one operation id."""

    def __init__(self, operation_id: str) -> None:
        self._id = compact(orjson.dumps(operation_id))

    @property
    def key(self) -> str:
        """Equal for equal ids, and for no others."""
        return f"socket {self._id.decode()}"

    def only(self, payload: bytes) -> Frame:
        """The only result and ``complete`` together, as encoded frames."""
        return {"ready": _text_message(self._next(payload)) + _text_message(self._complete())}

    def next(self, payload: bytes) -> Frame:
        """The message with one result, given as JSON."""
        return text_frame(self._next(payload))

    def failure(self, errors: Sequence[GraphQLError]) -> Frame:
        """The message with the errors that end the operation."""
        return self.next(encode(ExecutionResult(None, list(errors))))

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
