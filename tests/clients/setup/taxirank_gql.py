"""Taxirank with gql: requests over HTTP, and subscriptions that reconnect by themselves."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportConnectionFailed
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed

# The session has ended; there is no session; there are too many sockets. Reconnecting does not help.
FINAL_CODES = {4401, 4403, 4429}


class Refused(Exception):
    """The server has closed the socket for good."""


def over_http(server: str, token: str | None = None) -> Client:
    """For queries and mutations: `async with over_http(...) as session`."""
    # A form with a photo needs this header: any page can send a form, but not the header.
    headers = {"GraphQL-Require-Preflight": "1"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return Client(transport=HTTPXAsyncTransport(f"{server}/graphql", headers=headers))


async def follow(
    server: str, token: str, request: GraphQLRequest, *, wait_s: float = 1.0
) -> AsyncIterator[dict[str, Any]]:
    """A subscription's events. After a lost connection the first one is a new snapshot.

    Raises:
        Refused: the session has ended.
    """
    while True:
        transport = WebsocketsTransport(
            f"{server.replace('http', 'ws', 1)}/graphql", init_payload={"authorization": f"Bearer {token}"}
        )
        try:
            async with Client(transport=transport) as session:
                async for event in session.subscribe(request):
                    yield event
                return
        except TransportConnectionFailed as lost:
            closed = lost.__cause__
            if isinstance(closed, ConnectionClosed) and closed.rcvd and closed.rcvd.code in FINAL_CODES:
                raise Refused(str(closed.rcvd)) from lost
        await asyncio.sleep(wait_s)
