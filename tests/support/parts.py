"""A reader of multipart responses, which waits for a delimiter as Apollo's clients do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.api import Api
from tests.support.waiting import PATIENCE_S

PARTS = {"Accept": "multipart/mixed;subscriptionSpec=1.0"}
DELIMITER = b"\r\n--graphql"
HEARTBEAT = DELIMITER + b"\r\ncontent-type: application/json\r\n\r\n{}" + DELIMITER
END = b"--\r\n"


class Parts:
    """The parts of one response."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks = response.aiter_raw()
        self._buffer = b""
        self._has_begun = False

    async def event(self) -> tuple[str, Any]:
        """What comes next: a result, a failure, or the end. Skips heartbeats.

        Raises:
            EOFError: the response was cut, or nothing comes after its end.
        """
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if self._has_begun and self._buffer.startswith(END):
                    self._buffer = self._buffer[len(END) :]
                    self._has_begun = False
                    return "complete", None
                part, found, rest = self._buffer.partition(DELIMITER)
                if not found:
                    self._buffer += await self._more()
                    continue
                self._buffer = rest
                if not self._has_begun:
                    assert part == b""
                    self._has_begun = True
                    continue
                head, _, body = part.partition(b"\r\n\r\n")
                assert head == b"\r\ncontent-type: application/json"
                event = json.loads(body)
                if event == {}:
                    continue
                if event["payload"] is not None:
                    assert event.keys() == {"payload"}
                    return "next", event["payload"]
                assert event.keys() == {"payload", "errors"}
                return "failure", event

    async def next(self) -> Any:
        """The next result's one root field."""
        name, result = await self.event()
        assert name == "next"
        assert "errors" not in result, result
        (value,) = result["data"].values()
        return value

    async def ended(self) -> None:
        """Fail unless the last delimiter and the end of the response come next."""
        assert await self.event() == ("complete", None)
        assert self._buffer == b""
        assert [chunk async for chunk in self._chunks] == []

    async def _more(self) -> bytes:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            raise EOFError
        return chunk


@asynccontextmanager
async def parts(api: Api, query: str, /, **variables: Any) -> AsyncIterator[Parts]:
    """A subscription as a multipart response."""
    body = {"query": query, "variables": variables}
    async with api.http.stream("POST", "/graphql", json=body, headers=PARTS) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
        assert response.headers["Cache-Control"] == "no-store"
        yield Parts(response)
