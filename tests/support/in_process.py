"""uvicorn within a test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from gateway.uvicorn.http_protocol import HttpProtocol
from tests.support.waiting import until


@asynccontextmanager
async def listening(config: uvicorn.Config) -> AsyncIterator[int]:
    """Serve with this configuration; yields the port.

    Does what uvicorn's own loop does at its start and its end. That loop checks every tenth of a second: a server
    would take 0.2 s to end, and the tests end thousands.
    """
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    # The headers that every answer has.
    await server.on_tick(0)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await _stop(server)


async def _stop(server: uvicorn.Server) -> None:
    for listener in server.servers:
        listener.close()
    state = server.server_state
    for connection in list(state.connections):
        connection.shutdown()
        if isinstance(connection, HttpProtocol) and (
            connection.cycle is None or connection.cycle.response_complete
        ):
            # It would wait a moment for a request, which no test sends now.
            connection.transport.close()
    try:
        await until(
            lambda: not state.connections and not state.tasks, server.config.timeout_graceful_shutdown or 60
        )
    except TimeoutError:
        for task in state.tasks:
            task.cancel()
    await server.lifespan.shutdown()
