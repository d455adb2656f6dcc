"""Subscriptions of a generated client that reconnect by themselves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from taxirank_client import Taxirank
from websockets.exceptions import ConnectionClosed, WebSocketException

# The session has ended; there is no session; there are too many sockets. Reconnecting does not help.
FINAL_CODES = {4401, 4403, 4429}

Event = TypeVar("Event")


class Refused(Exception):
    """The server has closed the socket for good."""


def connect(server: str, token: str | None = None) -> Taxirank:
    """A client; without a token it can sign up and log in."""
    authorization = {} if token is None else {"authorization": f"Bearer {token}"}
    return Taxirank(
        url=f"{server}/graphql",
        # A form with a photo needs this header: any page can send a form, but not the header.
        headers={"GraphQL-Require-Preflight": "1", **authorization},
        ws_url=f"{server.replace('http', 'ws', 1)}/graphql",
        ws_connection_init_payload=authorization,
    )


async def follow(subscribe: Callable[[], AsyncIterator[Event]], *, wait_s: float = 1.0) -> AsyncIterator[Event]:
    """A subscription's events. After a lost connection the first one is a new snapshot.

    Raises:
        Refused: the session has ended.
    """
    while True:
        try:
            async for event in subscribe():
                yield event
            return
        except (WebSocketException, OSError) as lost:
            if isinstance(lost, ConnectionClosed) and lost.rcvd and lost.rcvd.code in FINAL_CODES:
                raise Refused(str(lost.rcvd)) from lost
        await asyncio.sleep(wait_s)
