"""GraphQL over WebSockets: the server side of graphql-transport-ws."""

import asyncio
import functools
import struct
from collections.abc import Callable, Hashable, Sequence
from typing import Any
from urllib.parse import quote

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from models.visibility import Actor
from schema.api.context import Context, Services
from schema.api.driver_location import TAKE_THE_CALLER_AS_KNOWN
from schema.api.errors import RequestError, bad_user_input, to_request_error
from schema.operations.documents import root_fields
from schema.operations.execution import Execution, Refusal, Request, encode, is_subscription, timed_out
from schema.transport.connection import Connection
from schema.transport.credentials import Cookies, bearer_token
from schema.transport.delivery import Delivery
from schema.transport.offenders import Offenders
from schema.transport.origins import Origins
from schema.transport.send_queue import MAX_WAITING, Frame, SendQueue
from schema.transport.socket_limit import SocketLimit, TooManySockets
from schema.transport.socket_messages import (
    SUBPROTOCOL,
    BadSubscribe,
    CloseCode,
    Closed,
    Complete,
    ConnectionInit,
    Ping,
    Pong,
    Subscribe,
    parse_message,
)
from services.errors import DatabaseUnavailable, SessionEnded
from services.limits.sparse_log import SparseLog
from services.runtime import incidents
from services.runtime.memory import trimmed

_log = structlog.stdlib.get_logger(__name__)
_refusals = SparseLog(__name__)

CLOSE_TIMEOUT_S = 2.0
# The application's codes, and those of the protocol below (RFC 6455, section 7.4.1).
_OFFENCES = frozenset(
    {
        CloseCode.BAD_REQUEST,
        CloseCode.CONNECTION_INIT_TIMEOUT,
        CloseCode.SUBSCRIBER_ALREADY_EXISTS,
        CloseCode.TOO_MANY,
        1002,
        1003,
        1007,
        1009,
    }
)


class SocketEndpoint:
    """The ASGI application that serves sockets. Speaks graphql-transport-ws and nothing else."""

    def __init__(
        self,
        execution: Execution,
        services: Services,
        *,
        origins: Origins,
        cookies: Cookies,
        limit: SocketLimit,
        offenders: Offenders,
        init_timeout_s: float,
        max_operations: int,
        connection_of: Callable[[Send], Connection],
    ) -> None:
        """``connection_of`` finds the TCP connection behind a socket's ``send``."""
        self.execution = execution
        self.services = services
        self.origins = origins
        self.cookies = cookies
        self.limit = limit
        self.offenders = offenders
        self.init_timeout_s = init_timeout_s
        self.max_operations = max_operations
        self.connection_of = connection_of
        self.sockets: set[Socket] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket until it is closed."""
        await receive()
        try:
            await self._serve(scope, receive, send)
        except OSError:
            # The client is gone, which the server knows already.
            raise
        except Exception as error:
            # Before it is accepted, a close is answered as HTTP 403.
            await send(_close_frame(CloseCode.TRY_AGAIN_LATER, _reported(error)))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = scope["client"][0] if scope.get("client") else ""
        headers = Headers(scope=scope)
        if self.offenders.are_at(address):
            await _refuse(scope, receive, send, "No socket is opened for this address now.")
            return
        if not self.origins.allows_socket(scope, headers):
            reason = self.origins.why_not(headers)
            # Browsers hide the answer from the page, and clients try again: the log tells the operator why.
            origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
            _refusals.warning("socket refused", reason=reason, origin=origin, sec_fetch_site=site, address=address)
            await _refuse(scope, receive, send, reason)
            return
        if SUBPROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await send(_close_frame(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Speak graphql-transport-ws."))
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        socket = Socket(self, send, self.connection_of(send), self.cookies.token(headers))
        code = None
        self.sockets.add(socket)
        try:
            code = await socket.serve(receive)
        finally:
            self.sockets.discard(socket)
        if code in _OFFENCES:
            self.offenders.note(address)


async def refuse_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a handshake at another path than the API's."""
    await receive()
    _refusals.warning("socket refused", reason="There are no sockets at this path.", path=quote(scope["path"]))
    await _refuse(scope, receive, send, "There are no sockets at this path.", status=404, code="NOT_FOUND")


async def _refuse(
    scope: Scope, receive: Receive, send: Send, message: str, *, status: int = 403, code: str = "FORBIDDEN"
) -> None:
    """Answer a handshake with an HTTP error."""
    error = RequestError(code, message)
    await JSONResponse({"errors": [error.formatted]}, status)(scope, receive, send)
    # Take the disconnect message.
    await receive()


class Socket:
    """One connection, from accept to close."""

    def __init__(
        self, endpoint: SocketEndpoint, send: Send, connection: Connection, cookie_token: str | None
    ) -> None:
        self._endpoint = endpoint
        self._services = endpoint.services
        self._send = send
        self._abort = connection.abort
        self._send_queue = SendQueue(send, self._abort, connection.write_ready)  # pyright: ignore[reportArgumentType]
        self._send_queue.on_drained = self._catch_up
        self._token = cookie_token
        self._actor: Actor | None = None
        self._has_init = False
        # Whatever is removed has been cancelled or has ended: nothing of it follows, and its id may be used anew.
        self._operations: dict[str, _Beginning | Delivery] = {}
        self._closing: asyncio.Task[None] | None = None
        self._code: CloseCode | None = None
        # Release what connection_init acquired.
        self._releases: list[Callable[[], None]] = []

    async def serve(self, receive: Receive) -> int | None:
        """Handle messages until the connection ends; returns the close code. Leaves nothing behind."""
        loop = asyncio.get_running_loop()
        init_timer = loop.call_later(
            self._endpoint.init_timeout_s,
            self.close,
            CloseCode.CONNECTION_INIT_TIMEOUT,
            "Connection initialisation timeout",
        )
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                if self._closing is not None:
                    continue
                try:
                    text = message.get("text")
                    if text is None:
                        raise Closed(CloseCode.BAD_REQUEST, "Send text messages.")
                    await self._handle(text)
                    if self._has_init:
                        init_timer.cancel()
                except Closed as closed:
                    self.close(closed.code, closed.reason)
                except Exception as error:
                    self._fail(error)
                if self._send_queue.waiting >= MAX_WAITING:
                    # Each message may be answered: answers that the client does not read must not pile up.
                    await self._send_queue.drained()
            return self._code or message.get("code")
        finally:
            init_timer.cancel()
            for release in self._releases:
                release()
            for operation in list(self._operations.values()):
                operation.cancel()
            self._operations.clear()
            self._send_queue.stop()
            if self._closing is not None:
                self._closing.cancel()

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the socket; a client that does not take even that is cut off."""
        if self._closing is None:
            self._code = code
            for operation in list(self._operations.values()):
                operation.cancel()
            if code is CloseCode.UNAUTHORIZED:
                # The session has ended: waiting results must not be sent either.
                self._send_queue.drop(lambda _: True)
            self._closing = asyncio.create_task(self._close(code, reason))

    def _end_with_session(self) -> None:
        self.close(CloseCode.UNAUTHORIZED, "The session has ended.")

    def _fail(self, error: Exception) -> None:
        """Close the socket since the server cannot go on with it; on 1013 clients come back."""
        self.close(CloseCode.TRY_AGAIN_LATER, _reported(error))

    async def _close(self, code: CloseCode, reason: str) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._send_queue.drained()
                await self._send(_close_frame(code, reason))
        except TimeoutError:
            self._abort()
        except Exception as error:
            _log.debug("socket was gone before it could be closed", error=str(error))

    async def _handle(self, text: str) -> None:
        match parse_message(text):
            case ConnectionInit(authorization):
                await self._init(authorization)
            case Ping(pong):
                self._send_queue.put(object(), _text_frame(pong))
            case Pong():
                pass
            case Subscribe(operation_id, request):
                self._subscribe(operation_id, request)
            case BadSubscribe(operation_id, reason):
                self._check_begins(operation_id)
                self._refuse(operation_id, bad_user_input(reason))
            case Complete(operation_id):
                operation = self._operations.pop(operation_id, None)
                if operation is not None:
                    operation.cancel()
                # It may have ended, which the client has not read yet: the id may be used anew.
                self._send_queue.drop(functools.partial(_is_of, operation_id))

    async def _init(self, authorization: str | None) -> None:
        if self._has_init:
            raise Closed(CloseCode.TOO_MANY, "Too many initialisation requests")
        self._has_init = True
        if authorization is not None:
            self._token = bearer_token(authorization)
        self._actor = await self._services.sessions.actor_of(self._token) if self._token else None
        if self._actor is None:
            raise Closed(CloseCode.FORBIDDEN, "Log in first.")
        try:
            self._releases.append(self._endpoint.limit.take(self._actor.id))
        except TooManySockets:
            raise Closed(CloseCode.TOO_MANY, "Too many sockets") from None
        unregister = self._services.live_sessions.register(self._actor.session_id, self._end_with_session)
        self._releases.append(unregister)
        self._put({"type": "connection_ack"})

    def _subscribe(self, operation_id: str, request: Request) -> None:
        actor = self._check_begins(operation_id)
        if len(self._operations) >= self._endpoint.max_operations:
            self._refuse(operation_id, RequestError("TOO_MANY_OPERATIONS", "Too many operations on one socket."))
            return
        operation = self._operations[operation_id] = _Beginning()
        operation.task = asyncio.create_task(self._run(operation, operation_id, request, actor))

    def _check_begins(self, operation_id: str) -> Actor:
        """The caller, if an operation of that id may begin. Raises: Closed."""
        if self._actor is None:
            raise Closed(CloseCode.UNAUTHORIZED, "Unauthorized")
        if operation_id in self._operations:
            raise Closed(CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {operation_id[:60]} already exists")
        return self._actor

    def _refuse(self, operation_id: str, error: RequestError) -> None:
        self._put_error(operation_id, [error.formatted])

    async def _run(self, operation: "_Beginning", operation_id: str, request: Request, actor: Actor) -> None:
        timeout = asyncio.timeout(self._endpoint.execution.timeout_s)
        try:
            async with timeout:
                refusal = await self._execute(operation, operation_id, request, actor)
        except DatabaseUnavailable as error:
            self._fail(error)
            return
        except Exception as error:
            refusal = Refusal(tuple(timed_out().errors or ()) if timeout.expired() else (to_request_error(error),))
        finally:
            # It knows the task, whose traceback knows this frame: all of it would wait for the garbage collector.
            del timeout
        if refusal is not None and self._ends(operation, operation_id):
            self._put_error(operation_id, refusal.formatted())

    async def _execute(
        self, beginning: "_Beginning", operation_id: str, request: Request, actor: Actor
    ) -> Refusal | None:
        execution = self._endpoint.execution
        operation = execution.prepare(request)
        if isinstance(operation, Refusal):
            return operation
        framing = _SocketFraming(operation_id)
        if is_subscription(operation):
            following = await execution.follow(operation, request, self._context(actor))
            if isinstance(following, Refusal):
                return following
            delivery = beginning.delivery = Delivery(
                operation_id,
                following,
                framing,
                self._send_queue,
                self._services.hub,
                on_end=functools.partial(self._operations.pop, operation_id, None),
            )
            try:
                await delivery.begin()
            except asyncio.CancelledError:
                if self._operations.get(operation_id) is beginning:
                    # Its time is up. What a client completes was cancelled before, and its id may be another's.
                    delivery.cancel()
                raise
            if self._operations.get(operation_id) is beginning:
                self._operations[operation_id] = delivery
            return None
        current: Actor | None = None
        if not root_fields(operation) <= TAKE_THE_CALLER_AS_KNOWN:
            # The socket may be hours old: names and photos are read again for each operation.
            assert self._token is not None
            current = await self._services.sessions.actor_of(self._token)
            if current is None:
                self._end_with_session()
                return None
        result = await execution.run(operation, request, self._context(current or actor))
        if isinstance(result, Refusal):
            return result
        if current is None and any(isinstance(e.original_error, SessionEnded) for e in result.errors or ()):
            self._end_with_session()
            return None
        if self._ends(beginning, operation_id):
            self._send_queue.put((operation_id, "result"), framing.next(encode(result)))
            self._send_queue.put((operation_id, "complete"), framing.complete())
        return None

    def _ends(self, operation: "_Beginning", operation_id: str) -> bool:
        """Remove an operation; False: it was cancelled, and the client may have begun another of that id."""
        if self._operations.get(operation_id) is not operation:
            return False
        del self._operations[operation_id]
        return True

    def _context(self, actor: Actor) -> Context:
        return Context(self._services, actor)

    def _put(self, message: dict[str, Any]) -> None:
        self._send_queue.put(object(), _text_frame(orjson.dumps(message)))

    def _put_error(self, operation_id: str, errors: Sequence[object]) -> None:
        message = {"id": operation_id, "type": "error", "payload": errors}
        self._send_queue.put((operation_id, object()), _text_frame(orjson.dumps(message)))

    def _catch_up(self) -> None:
        for operation in list(self._operations.values()):
            if isinstance(operation, Delivery):
                operation.catch_up()


class _Beginning:
    """An operation until its result is there, or until events flow to its subscription."""

    __slots__ = ("delivery", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.delivery: Delivery | None = None

    def cancel(self) -> None:
        """Send nothing more. The task goes on until its next turn, and its topics may fail before that."""
        if self.delivery is not None:
            self.delivery.cancel()
        if self.task is not None:
            self.task.cancel()


class _SocketFraming:
    """``next`` and ``complete`` messages of one operation id."""

    def __init__(self, operation_id: str) -> None:
        self.key = f"socket {operation_id}"
        self._id = trimmed(orjson.dumps(operation_id))

    def next(self, payload: bytes) -> Frame:
        return _text_frame(b'{"id":' + self._id + b',"type":"next","payload":' + payload + b"}")

    def complete(self) -> Frame:
        return _text_frame(b'{"id":' + self._id + b',"type":"complete"}')


def _is_of(operation_id: str, key: Hashable) -> bool:
    return isinstance(key, tuple) and key[0] == operation_id


def _reported(error: Exception) -> str:
    """The reason of closing a socket that fails unexpectedly, which is logged."""
    return f"Try again later (incident {incidents.report(error)})."


def _text_frame(data: bytes) -> Frame:
    return {"type": "websocket.send", "text": data.decode(), "ready": _text_message(data)}


def _close_frame(code: CloseCode, reason: str) -> Frame:
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
