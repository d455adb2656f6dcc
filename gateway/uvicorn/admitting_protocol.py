"""uvicorn's HTTP protocol with a bound on the requests under way: above it, requests wait or get 503.

The queue of an overloaded process is here: a request that has become a task competes with all others for the event
loop, and each of them gets slower. A middleware would come too late.
"""

import asyncio
import functools
import random
from collections.abc import Callable, Coroutine
from typing import Any, cast

import orjson
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.uvicorn.lingering_protocol import LingeringProtocol
from gateway.uvicorn.request_head import FRAMING, Fields
from gateway.uvicorn.response_cycle import ResponseCycle
from gateway.uvicorn.try_again_later import socket_refusal
from services.limits.networks import network_of
from services.runtime.admission import ADMISSION, Admission, Ticket
from services.runtime.fair_queue import FairQueue

# An operator must see what happens. They need the process for a millisecond.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# The key of the lifespan's state for the origins whose pages may read answers.
ALLOWED_ORIGINS = "allowed_origins"
# After how many seconds a client may try again: not all at the same moment.
RETRY_AFTER_S = (1, 3)

_CROSS_ORIGIN = (
    b"access-control-allow-origin: %s\r\naccess-control-allow-credentials: true\r\n"
    b"access-control-expose-headers: Retry-After\r\nvary: Origin\r\n"
)


class AdmittingProtocol(LingeringProtocol):
    """uvicorn's HTTP/1.1, in which ``Admission`` decides when a request becomes a task, and whether it does.

    A request that is refused was not executed, and its body was not parsed. Its connection stays open if the body
    has arrived already. ``/healthz``, ``/readyz`` and ``/metrics`` are always served.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._admission: Admission | None = self.app_state.get(ADMISSION)
        # Of the request that waits or runs.
        self._ticket: Ticket | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """A request that still waits is given up."""
        if self._ticket is not None:
            self._ticket.cancel()
            self._ticket = None
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.__class__ = ResponseCycle
        if self._admission is None:
            super()._start_asgi_task(cycle, app)
        elif cycle.scope["path"] in PROBES and self._admission.enter_probe():
            self._run(self._probe(cycle, app))
        elif (ticket := self._admission.begin()) is not None:
            self._begin(cycle, app, ticket)
        else:
            self._ticket = self._admission.wait(
                self._network(self._fields(cycle)),
                functools.partial(self._begin, cycle, app),
                functools.partial(self._shed_soon, cycle),
            )

    def _begin(self, cycle: ResponseCycle, app: Any, ticket: Ticket) -> None:
        cycle.ticket = ticket
        self._run(cycle.run_asgi(app)).add_done_callback(ticket.leave)

    async def _probe(self, cycle: ResponseCycle, app: Any) -> None:
        assert self._admission is not None
        try:
            await cycle.run_asgi(app)
        finally:
            self._admission.leave_probe()

    def _run(self, request: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self.loop.create_task(request)
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        return task

    def _network(self, headers: Fields) -> str:
        """The network of the client, as rate limits count it."""
        host = self.client[0] if self.client else None
        if host is not None and isinstance(self.app, ProxyHeadersMiddleware) and host in self.app.trusted_hosts:
            sent = b", ".join(value for name, value in headers if name == b"x-forwarded-for")
            if sent:
                host = self.app.trusted_hosts.get_trusted_client_address(sent.decode("latin-1"))[0] or host
        return network_of(host)

    def _shed_soon(self, cycle: ResponseCycle, _: Ticket) -> None:
        # The parser may be within this request; afterwards it is known whether the body has arrived.
        self.loop.call_soon(self._shed, cycle)

    def _shed(self, cycle: ResponseCycle) -> None:
        """Answer 503 without a task."""
        if cycle.disconnected or self.transport.is_closing():
            return
        is_whole = not cycle.more_body
        if not is_whole:
            cycle.keep_alive = False
        wait_s = random.randint(*RETRY_AFTER_S)  # noqa: S311
        body = _body(wait_s)
        self.transport.write(
            STATUS_LINE[503]
            + b"".join(b"%s: %s\r\n" % header for header in cycle.default_headers)
            + b"content-type: application/json\r\ncontent-length: %d\r\nretry-after: %d\r\n" % (len(body), wait_s)
            + (b"" if cycle.keep_alive else b"connection: close\r\n")
            + self._cross_origin(self._fields(cycle))
            + FRAMING
            + b"\r\n"
            + (b"" if cycle.scope["method"] == "HEAD" else body)
        )
        cycle.response_started = cycle.response_complete = True
        cycle.body = bytearray()
        cycle.message_event.set()
        if is_whole and not cycle.keep_alive:
            self.transport.close()
        cycle.lingers = not is_whole
        cycle.on_response()

    @staticmethod
    def _fields(cycle: ResponseCycle) -> Fields:
        return cast("Fields", cycle.scope["headers"])

    def _cross_origin(self, headers: Fields) -> bytes:
        """What lets a page of a listed origin read the answer."""
        origin = dict(headers).get(b"origin", b"")
        allowed: tuple[str, ...] = self.app_state.get(ALLOWED_ORIGINS, ())
        return _CROSS_ORIGIN % origin if origin.decode("latin-1") in allowed else b""

    def queue_upgrade(self, handshakes: FairQueue, upgrade: Callable[[], None]) -> None:
        """Let the client of a handshake wait for its turn to ``upgrade``, or refuse it."""
        admission = self._admission
        if admission is not None and admission.refuses_socket(len(handshakes)):
            self.transport.write(socket_refusal(self.headers))
            self.transport.close()
            return
        since_s = self.loop.time()

        def take_turn() -> None:
            if admission is not None:
                admission.note_socket(self.loop.time() - since_s)
            upgrade()

        self.transport.pause_reading()
        handshakes.put(take_turn)


@functools.cache
def _body(wait_s: int) -> bytes:
    extensions = {"code": "OVERLOADED", "retryAfter": wait_s}
    error = {"message": "The server has too much to do at the moment.", "extensions": extensions}
    return orjson.dumps({"errors": [error]})
