"""Subscriptions as server-sent events.

Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, "Distinct connections mode"
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack

from graphql import ExecutionResult
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from models.visibility import Actor
from schema.api.context import Services
from schema.api.errors import to_request_error, unauthenticated
from schema.operations.execution import Following, encode, timed_out
from schema.transport.connection import connection_of
from schema.transport.delivery import Delivery
from schema.transport.send_queue import Frame, SendQueue
from schema.transport.socket_limit import SocketLimit

# Shorter than the idle limits of common proxies.
KEEP_ALIVE_S = 12.0
# As long as a socket may take to answer a ping, by default.
UNACKNOWLEDGED_S = 20.0
_COMMENT: Frame = {"type": "http.response.body", "body": b":\n\n", "more_body": True}

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def single_event(result: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Answers with one event: the result of a query or mutation, or the reason why the request was refused."""
    framing = _EventFraming()
    body: bytes = framing.next(result)["body"] + framing.complete()["body"]
    return Response(body, headers={**_HEADERS, **(headers or {})}, media_type=EventStream.media_type)


class EventStream(Response):
    """Answers with the events of one subscription, until it completes, the client disconnects or the server stops.

    Sends a comment at once, because proxies and clients wait for the first byte of a body. When the server stops,
    the response ends cleanly but without ``complete``, so that the client reconnects.
    """

    media_type = "text/event-stream"

    def __init__(
        self, services: Services, following: Following, *, actor: Actor, limit: SocketLimit, timeout_s: float
    ) -> None:
        """``timeout_s``: how long the subscription may take to begin."""
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._services = services
        self._following = following
        self._actor = actor
        self._limit = limit
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; leaves nothing behind.

        Raises:
            TooManySockets: before anything is sent.
        """
        give_back = self._limit.take(self._actor.id)
        try:
            await self._stream(scope, receive, send)
        finally:
            give_back()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        connection = connection_of(scope)
        # There are no pings here, but something is sent every 12 seconds.
        connection.expect_acknowledgements(within_s=UNACKNOWLEDGED_S)
        send_queue = SendQueue(send, connection.abort)  # pyright: ignore[reportArgumentType]
        send_queue.put("keep-alive", _COMMENT)
        over = asyncio.Event()
        delivery = Delivery(
            "events", self._following, _EventFraming(), send_queue, self._services.hub, on_end=over.set
        )
        send_queue.on_drained = delivery.catch_up

        def end_with(result: ExecutionResult) -> None:
            # The session may have ended in the meantime, and with it the stream.
            if not over.is_set():
                send_queue.put("end", _EventFraming().next(encode(result)))
                delivery.end(None)

        is_revoked = False

        def end_session() -> None:
            nonlocal is_revoked
            if is_revoked:
                # The bus and the database may both report the end.
                return
            is_revoked = True
            # Do not send what is still queued, even if the stream has completed and `complete` is queued too.
            if send_queue.drop(lambda _: True) or not over.is_set():
                send_queue.put("end", _EventFraming().next(encode(ExecutionResult(None, [unauthenticated()]))))
                if over.is_set():
                    send_queue.put("complete", _EventFraming().complete())
                delivery.end(None)

        timeout = asyncio.timeout(self._timeout_s)
        is_beginning = True

        def stop() -> None:
            over.set()
            # Do not send queued events: the client reconnects and gets a snapshot from the next server.
            delivery.cancel()
            if is_beginning and not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())

        gone = asyncio.create_task(_until_gone(receive))
        complete = asyncio.create_task(over.wait())
        with ExitStack() as stack:
            stack.callback(complete.cancel)
            stack.callback(gone.cancel)
            stack.callback(send_queue.stop)
            stack.callback(delivery.cancel)
            stack.callback(self._services.live_sessions.register(self._actor.session_id, end_session))
            try:
                async with timeout:
                    stack.callback(connection.when_stopping(stop))
                    if await self._services.sessions.ended_among([self._actor.session_id]):
                        # The session ended before `end_session` was registered, so it was not called.
                        end_session()
                    else:
                        await delivery.begin()
            except Exception as error:
                end_with(timed_out() if timeout.expired() else ExecutionResult(None, [to_request_error(error)]))
            is_beginning = False
            while not (over.is_set() or gone.done() or send_queue.is_broken):
                done, _ = await asyncio.wait(
                    [gone, complete], timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    send_queue.put("keep-alive", _COMMENT)
            await send_queue.drained()
            if not (gone.done() or send_queue.is_broken):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _EventFraming:
    key = "event"

    def next(self, payload: bytes) -> Frame:
        return {
            "type": "http.response.body",
            "body": b"event: next\ndata: " + payload + b"\n\n",
            "more_body": True,
        }

    def complete(self) -> Frame:
        return {"type": "http.response.body", "body": b"event: complete\ndata:\n\n", "more_body": True}
