"""A bare Starlette application that sends prepared bytes: the upper limit of this stack.

It has no sessions, no database and no GraphQL. It parses a request only as far as needed to publish it, and sends
what comes from Redis to the sockets unchanged. Its messages are as long as Taxirank's. It runs with Taxirank's
options for uvicorn and for the garbage collector.
"""

import argparse
import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson
import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from application.asgi import GRAPHQL_PATH
from application.serving import uvicorn_options
from application.settings import load_settings
from benchmarks.operations import POOL_ID
from benchmarks.sizes import Sizes

JSON = "application/json"


class BareSockets:
    """The application: the connected sockets, and the messages to them."""

    def __init__(self, redis_url: str, prefix: str, sizes: Sizes) -> None:
        self._redis = Redis.from_url(redis_url)
        self._prefix = prefix + ":"
        self._followers: dict[str, dict[WebSocket, None]] = {}
        self._sizes = sizes
        self._page = padded({"data": {"trips": {}}}, sizes.trips_page).encode()
        self._payload = padded({"data": {"createTrip": {}}}, sizes.trip_payload).encode()
        self._pool_snapshot = padded(_next(POOL_ID, {}), sizes.pool_snapshot)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        """Listen to Redis."""
        subscription = self._redis.pubsub()
        await cast("Awaitable[None]", subscription.psubscribe(self._prefix + "*"))
        listening = asyncio.create_task(self._listen(subscription))
        yield
        listening.cancel()
        await self._redis.aclose()

    async def _listen(self, subscription: Any) -> None:
        async for message in subscription.listen():
            if message["type"] != "pmessage":
                continue
            topic = message["channel"].decode().removeprefix(self._prefix)
            text = message["data"].decode()
            for websocket in list(self._followers.get(topic, ())):
                try:
                    await websocket.send_text(text)
                except (WebSocketDisconnect, RuntimeError):
                    self._followers[topic].pop(websocket, None)

    async def socket(self, websocket: WebSocket) -> None:
        """Let a client follow the topics that it names."""
        await websocket.accept(subprotocol="graphql-transport-ws")
        topics: list[str] = []
        try:
            while True:
                message = orjson.loads(await websocket.receive_text())
                if message["type"] == "connection_init":
                    await websocket.send_text('{"type":"connection_ack"}')
                elif message["type"] == "subscribe":
                    topic = message["id"]
                    topics.append(topic)
                    self._followers.setdefault(topic, {})[websocket] = None
                    await websocket.send_text(
                        self._pool_snapshot if topic == POOL_ID else self._trip(topic, "REQUESTED")
                    )
        except WebSocketDisconnect:
            pass
        finally:
            for topic in topics:
                self._followers[topic].pop(websocket, None)

    async def http(self, request: Request) -> Response:
        """Publish a change, or return the prepared page."""
        asked = orjson.loads(await request.body())
        if asked["operationName"] == "Trips":
            return Response(self._page, media_type=JSON)
        trip = asked["variables"]["input"]
        if asked["operationName"] == "CreateTrip":
            topic, text = POOL_ID, self._offer(trip["pickUpAddress"])
        else:
            topic, text = trip["id"], self._trip(trip["id"], trip["status"])
        await self._redis.publish(self._prefix + topic, text)
        return Response(self._payload, media_type=JSON)

    def _offer(self, address: str) -> str:
        return padded(_next(POOL_ID, {"trip": {"pickUpAddress": address}}), self._sizes.trip_offered)

    def _trip(self, trip_id: str, status: str) -> str:
        data = {"tripUpdated": {"id": trip_id, "status": status}}
        return padded(_next(trip_id, data), self._sizes.trip_updated)


async def ready(_: Request) -> Response:
    """The readiness check."""
    return Response()


def _next(operation_id: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"id": operation_id, "type": "next", "payload": {"data": data}}


def padded(message: dict[str, Any], size: int) -> str:
    """The message as JSON, padded to at least ``size`` bytes."""
    text = orjson.dumps({**message, "padding": ""}).decode()
    return text[:-2] + "x" * (size - len(text)) + '"}'


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sizes", type=lambda text: Sizes(**orjson.loads(text)), required=True)
    arguments = parser.parse_args()
    settings = load_settings()
    assert settings.redis_url is not None, "TAXIRANK_REDIS_URL names the Redis of the run"
    sockets = BareSockets(settings.redis_url, settings.redis_prefix, arguments.sizes)
    app = Starlette(
        lifespan=sockets.lifespan,
        routes=[
            Route(GRAPHQL_PATH, sockets.http, methods=["POST"]),
            Route("/readyz", ready),
            WebSocketRoute(GRAPHQL_PATH, sockets.socket),
        ],
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    uvicorn.run(app, **uvicorn_options(settings, host="127.0.0.1", port=arguments.port))


if __name__ == "__main__":
    main()
