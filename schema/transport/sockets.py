"""GraphQL over WebSockets: the server side of graphql-transport-ws, from the handshake to the close.

Longer than 300 lines because the life of a socket, from its handshake to its end, is in one class.
"""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import structlog
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from schema.api.context import Services
from schema.api.errors import RequestError, bad_user_input
from schema.operations.execution import Execution
from schema.transport.connection import Connection
from schema.transport.credentials import Cookies, bearer_token
from schema.transport.headers import headers_of
from schema.transport.offenders import Offenders
from schema.transport.origins import Origins
from schema.transport.send_queue import MAX_WAITING, SendQueue
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
    close_frame,
    parse_message,
    text_frame,
)
from schema.transport.socket_operations import SocketOperations
from services.limits.networks import network_of
from services.limits.sparse_log import SparseLog
from services.runtime import incidents
from services.runtime.admission import Admission

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
        own_pages: Origins,
        cookies: Cookies,
        limit: SocketLimit,
        offenders: Offenders,
        init_timeout_s: float,
        max_operations: int,
        admission: Admission,
        connection_of: Callable[[Send], Connection],
    ) -> None:
        """``connection_of`` finds the TCP connection behind a ``send``; ``own_pages`` allows no other pages."""
        self.own_pages = own_pages
        self.execution = execution
        self.services = services
        self.origins = origins
        self.cookies = cookies
        self.limit = limit
        self.offenders = offenders
        self.init_timeout_s = init_timeout_s
        self.max_operations = max_operations
        self.admission = admission
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
            # Before the handshake is accepted, ASGI servers answer a close with HTTP 403.
            await send(close_frame(CloseCode.TRY_AGAIN_LATER, _reported(error)))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = scope["client"][0] if scope.get("client") else ""
        headers = headers_of(scope)
        if self.offenders.is_barred(address):
            await _refuse(scope, receive, send, "This address may not open sockets at the moment.")
            return
        if not self.origins.allows_socket(scope, headers):
            reason = self.origins.why_not(headers)
            # Browsers hide the reason from the page, and clients only try again. So the log has it, for the
            # operator.
            origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
            _refusals.warning("socket refused", reason=reason, origin=origin, sec_fetch_site=site, address=address)
            await _refuse(scope, receive, send, reason)
            return
        if SUBPROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await send(
                close_frame(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Use the subprotocol graphql-transport-ws.")
            )
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        is_own_page = "authorization" in headers or self.own_pages.allows_socket(scope, headers)
        token, network = self.cookies.token(headers), network_of(address)
        socket = Socket(self, send, self.connection_of(send), token, is_own_page=is_own_page, network=network)
        # Nothing reads the head again, and it would take 3 KB for as long as the socket lives.
        scope.clear()
        del headers
        code = None
        self.sockets.add(socket)
        try:
            code = await socket.serve(receive)
        finally:
            self.sockets.discard(socket)
        if code in _OFFENCES:
            self.offenders.note(address)


async def refuse_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a handshake at any path other than the API's."""
    await receive()
    _refusals.warning("socket refused", reason="There are no sockets at this path.", path=quote(scope["path"]))
    await _refuse(scope, receive, send, "There are no sockets at this path.", status=404, code="NOT_FOUND")


async def _refuse(
    scope: Scope, receive: Receive, send: Send, message: str, *, status: int = 403, code: str = "FORBIDDEN"
) -> None:
    """Refuse a handshake with an HTTP error."""
    error = RequestError(code, message)
    await JSONResponse({"errors": [error.formatted]}, status)(scope, receive, send)
    # Consume the disconnect message.
    await receive()


class Socket:
    """One connection, from accept to close."""

    def __init__(
        self,
        endpoint: SocketEndpoint,
        send: Send,
        connection: Connection,
        token: str | None,
        *,
        is_own_page: bool,
        network: str,
    ) -> None:
        self._network = network
        self._is_own_page = is_own_page
        self._endpoint = endpoint
        self._send = send
        self._abort = connection.abort
        self._send_queue = SendQueue(send, self._abort, connection.write_ready)  # pyright: ignore[reportArgumentType]
        self._token = token
        self._has_init = False
        # None until `connection_init`.
        self._operations: SocketOperations | None = None
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
                    if (beginning := self._handle(text)) is not None:
                        await beginning
                    if self._has_init:
                        init_timer.cancel()
                except Closed as closed:
                    self.close(closed.code, closed.reason)
                except Exception as error:
                    self._fail(error)
                if self._send_queue.waiting >= MAX_WAITING:
                    # Read the next message only when the client has taken all answers: they must not accumulate.
                    await self._send_queue.drained()
            return self._code or message.get("code")
        finally:
            init_timer.cancel()
            for release in self._releases:
                release()
            if self._operations is not None:
                self._operations.clear()
                # Break the reference cycle: otherwise both objects wait for the garbage collector.
                self._operations = None
            self._send_queue.stop()
            if self._closing is not None:
                self._closing.cancel()

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the socket. The connection of a client that does not read the close is cut."""
        if self._closing is None:
            self._code = code
            if self._operations is not None:
                self._operations.cancel()
            if code is CloseCode.UNAUTHORIZED:
                # The session may have ended: do not send queued results.
                self._send_queue.drop(lambda _: True)
            self._closing = asyncio.create_task(self._close(code, reason))

    def _end_session(self) -> None:
        self.close(CloseCode.UNAUTHORIZED, "The session has ended.")

    def _fail(self, error: Exception) -> None:
        """Close the socket after an unexpected error, with 1013: clients then reconnect."""
        self.close(CloseCode.TRY_AGAIN_LATER, _reported(error))

    def _overloaded(self) -> None:
        self.close(CloseCode.TRY_AGAIN_LATER, "Overloaded")

    async def _close(self, code: CloseCode, reason: str) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._send_queue.drained()
                await self._send(close_frame(code, reason))
        except TimeoutError:
            self._abort()
        except Exception as error:
            _log.debug("socket was gone before it could be closed", error=str(error))

    def _handle(self, text: str) -> Awaitable[None] | None:
        """Handle a message; returns what has to be awaited, if anything."""
        match parse_message(text):
            case Subscribe(operation_id, request):
                self._introduced().begin(operation_id, request)
            case ConnectionInit(authorization):
                return self._init(authorization)
            case Ping(pong):
                self._send_queue.put(object(), text_frame(pong))
            case Pong():
                pass
            case BadSubscribe(operation_id, reason):
                self._introduced().refuse(operation_id, bad_user_input(reason))
            case Complete(operation_id):
                if self._operations is not None:
                    self._operations.complete(operation_id)
        return None

    async def _init(self, authorization: str | None) -> None:
        if self._has_init:
            raise Closed(CloseCode.TOO_MANY, "Too many initialisation requests")
        self._has_init = True
        if authorization is not None:
            self._token = bearer_token(authorization)
            # No page has the token of another page's user.
            self._is_own_page = True
        endpoint, services = self._endpoint, self._endpoint.services
        actor = await services.sessions.actor_of(self._token) if self._token else None
        if actor is None or self._token is None:
            raise Closed(CloseCode.FORBIDDEN, "Log in first.")
        try:
            self._releases.append(endpoint.limit.take(actor.id))
        except TooManySockets:
            raise Closed(CloseCode.TOO_MANY, "Too many sockets") from None
        self._operations = SocketOperations(
            endpoint.execution,
            services,
            self._send_queue,
            actor=actor,
            token=self._token,
            is_own_page=self._is_own_page,
            max_operations=endpoint.max_operations,
            admission=endpoint.admission,
            client=self._network,
            end_session=self._end_session,
            fail=self._fail,
            overloaded=self._overloaded,
        )
        self._releases.append(services.live_sessions.register(actor.session_id, self._end_session))
        self._send_queue.put(object(), text_frame(b'{"type":"connection_ack"}'))

    def _introduced(self) -> SocketOperations:
        """The operations of the client. Raises: Closed, before ``connection_init``."""
        if self._operations is None:
            raise Closed(CloseCode.UNAUTHORIZED, "Unauthorized")
        return self._operations


def _reported(error: Exception) -> str:
    """Log an unexpected error; returns the close reason."""
    return f"Try again later (incident {incidents.report(error)})."
