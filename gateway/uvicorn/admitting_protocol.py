"""uvicorn's HTTP protocol with a bound on the requests under way: above it, requests wait or get 503.

The queue of an overloaded process is here: a request that has become a task competes with all others for the event
loop, and each of them gets slower. A middleware would come too late.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, cast

from gateway.uvicorn.clients import client_network, is_proxy
from gateway.uvicorn.lingering_protocol import LingeringProtocol
from gateway.uvicorn.overload_answer import overload_answer
from gateway.uvicorn.request_head import Fields
from gateway.uvicorn.response_cycle import ResponseCycle
from gateway.uvicorn.try_again_later import socket_refusal
from services.limits.networks import network_of
from services.runtime.admission import ADMISSION, Admission, Ticket
from services.runtime.fair_queue import FairQueue

# An operator must see what happens. They need the process for a millisecond.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# The key of the lifespan's state for the origins whose pages may read answers.
ALLOWED_ORIGINS = "allowed_origins"


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
        # That of a request which has waited before this connection began to read it.
        self._admitted: Ticket | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """A request that still waits is given up."""
        self.give_up_request()
        super().connection_lost(exc)

    def give_up_request(self) -> None:
        """A request that waits does not begin, and one that is under way learns that its client is gone."""
        if self._ticket is not None:
            self._ticket.cancel()
            self._ticket = None
        if self.cycle is not None and not self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def receive_admitted(self, data: bytes, ticket: Ticket) -> None:
        """The first bytes of a new connection, whose request has a place already."""
        self._admitted = ticket
        self.data_received(data)
        if (unused := self._take_admitted()) is not None:
            # The parser has refused it.
            unused.leave()

    def _take_admitted(self) -> Ticket | None:
        ticket, self._admitted = self._admitted, None
        return ticket

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.__class__ = ResponseCycle
        if self._admission is None:
            super()._start_asgi_task(cycle, app)
        elif cycle.scope["path"] in PROBES and self._admission.enter_probe():
            self._run(self._probe(cycle, app))
        elif (ticket := self._take_admitted() or self._admission.begin()) is not None:
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
        if not is_proxy(self.app, host):
            return network_of(host)
        return client_network(self.app, host, b", ".join(v for name, v in headers if name == b"x-forwarded-for"))

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
        self.transport.write(
            overload_answer(
                cycle.default_headers,
                origin=dict(self._fields(cycle)).get(b"origin", b""),
                allowed_origins=self.app_state.get(ALLOWED_ORIGINS, ()),
                has_body=cycle.scope["method"] != "HEAD",
                keeps_alive=cycle.keep_alive,
            )
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
