"""One subscription as a response that lasts: what event streams and multipart responses have in common."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from graphql import GraphQLError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from models.visibility import Actor
from schema.api.context import Services
from schema.api.errors import to_request_error, unauthenticated
from schema.operations.execution import Following, timed_out
from schema.transport.connection import connection_of
from schema.transport.delivery import Delivery, Framing
from schema.transport.send_queue import Frame, SendQueue
from schema.transport.socket_limit import SocketLimit

# Shorter than the idle limits of common proxies.
KEEP_ALIVE_S = 12.0
# As long as a socket may take to answer a ping, by default.
UNACKNOWLEDGED_S = 20.0

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class StreamFraming(Framing, Protocol):
    """How results are framed in the body of a response."""

    @property
    def content_type(self) -> str:
        """The media type of the response."""
        ...

    @property
    def opening(self) -> bytes:
        """What the body begins with, before the first frame."""
        ...

    @property
    def keep_alive(self) -> bytes:
        """A frame that says nothing."""
        ...


def part_of_body(data: bytes) -> Frame:
    """The ASGI message with these bytes of a response's body."""
    return {"type": "http.response.body", "body": data, "more_body": True}


def single(framing: StreamFraming, only: Frame, headers: Mapping[str, str] | None = None) -> Response:
    """Answers with one frame: the result of a query or mutation, or the reason why the request was refused."""
    body: bytes = framing.opening + only["body"] + framing.complete()["body"]
    return Response(body, headers={**_HEADERS, **(headers or {})}, media_type=framing.content_type)


class SubscriptionStream(Response):
    """Answers with the results of a subscription, until it completes, the client disconnects or the server stops.

    Sends a frame without content at once, because proxies and clients wait for the first byte of a body. When the
    server stops, the response ends cleanly but without ``complete``, so that the client reconnects.
    """

    def __init__(
        self,
        services: Services,
        following: Following,
        framing: StreamFraming,
        *,
        actor: Actor,
        limit: SocketLimit,
        timeout_s: float,
    ) -> None:
        """``timeout_s``: how long the subscription may take to begin."""
        super().__init__(headers=_HEADERS, media_type=framing.content_type)
        del self.headers["content-length"]
        self._services = services
        self._following = following
        self._framing = framing
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
        framing = self._framing
        keep_alive = part_of_body(framing.keep_alive)
        connection = connection_of(scope)
        # There are no pings here, but something is sent every 12 seconds.
        connection.expect_acknowledgements(within_s=UNACKNOWLEDGED_S)
        send_queue = SendQueue(send, connection.abort)  # pyright: ignore[reportArgumentType]
        # The first frame is never queued, so nothing can replace or drop the opening.
        send_queue.put("keep-alive", part_of_body(framing.opening + framing.keep_alive))
        over = asyncio.Event()
        delivery = Delivery("events", self._following, framing, send_queue, self._services.hub, on_end=over.set)
        send_queue.on_drained = delivery.catch_up

        def end_with(errors: Sequence[GraphQLError]) -> None:
            # The session may have ended in the meantime, and with it the stream.
            if not over.is_set():
                send_queue.put("end", framing.failure(errors))
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
                send_queue.put("end", framing.failure([unauthenticated()]))
                if over.is_set():
                    send_queue.put("complete", framing.complete())
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
                end_with((timed_out().errors or ()) if timeout.expired() else [to_request_error(error)])
            is_beginning = False
            while not (over.is_set() or gone.done() or send_queue.is_broken):
                done, _ = await asyncio.wait(
                    [gone, complete], timeout=KEEP_ALIVE_S, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    send_queue.put("keep-alive", keep_alive)
            await send_queue.drained()
            if not (gone.done() or send_queue.is_broken):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
