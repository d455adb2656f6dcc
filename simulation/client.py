"""One person's requests over HTTP."""

import asyncio
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from simulation import operations
from simulation.counts import Counts

TIMEOUT_S = 15.0
_ATTEMPTS = 6
_FIRST_PAUSE_S = 0.2
_LONGEST_WAIT_S = 60.0


class Failed(Exception):
    """The server did not do what was asked. The text is the kind of failure, by which failures are counted."""


class Unanswered(Failed):
    """There was no answer, or a server error: it is not known whether the request had an effect."""


class Refused(Failed):
    """The request was answered with a GraphQL error; retrying does not help."""


class Limited(Failed):
    """A rate limit was exceeded: nothing was done. Retry after ``retry_after_s``."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("RATE_LIMITED")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Changed:
    """The answer to a change of a trip: the trip, or the code of the error.

    ``retry_after_s``: when the same change may succeed, if the server says so.
    """

    trip: dict[str, Any] | None
    code: str | None = None
    retry_after_s: int | None = None


def http_client(url: str, *, connections: int) -> httpx.AsyncClient:
    """The HTTP client that all simulated people share. It keeps no cookies: they would mix sessions up."""
    return httpx.AsyncClient(
        base_url=url,
        timeout=TIMEOUT_S,
        transport=_InTurn(connections),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class _InTurn(httpx.AsyncHTTPTransport):
    """Lets requests wait for a connection here.

    In httpcore's pool, each request that ends compares all that wait with all connections. With hundreds that wait
    for a busy server, that takes the whole processor.
    """

    def __init__(self, connections: int) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        super().__init__(limits=limits)
        self._free = asyncio.Semaphore(connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request in its turn."""
        async with self._free:
            return await super().handle_async_request(request)


class Client:
    """Sends requests as one person, by a token; without one, anonymously. Failures are counted, then raised."""

    def __init__(self, http: httpx.AsyncClient, counts: Counts, token: str | None = None) -> None:
        self._http = http
        self._counts = counts
        self._headers = {"Authorization": f"Bearer {token}"} if token is not None else {}

    async def ask(self, document: str, /, **variables: Any) -> Any:
        """The value of the one root field. Raises: Unanswered, Refused, Limited."""
        try:
            return await self._ask(document, variables)
        except Limited:
            self._counts.rate_limited += 1
            raise
        except Failed as failure:
            self._counts.errors[str(failure)] += 1
            raise

    async def insist(self, document: str, /, **variables: Any) -> Any:
        """Like ``ask``, but retries for a while if there is no answer. Only for idempotent requests.

        Raises: Unanswered, Refused, Limited (with a wait above a minute)
        """
        attempt = 0
        while True:
            try:
                return await self.ask(document, **variables)
            except Limited as limit:
                if limit.retry_after_s > _LONGEST_WAIT_S:
                    raise
                await asyncio.sleep(limit.retry_after_s)
            except Unanswered:
                attempt += 1
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_FIRST_PAUSE_S * 2**attempt)

    async def change(
        self, trip_id: str, status: str, *, code: str | None = None, pin: str | None = None
    ) -> Changed:
        """Move a trip to another status; idempotent. ``code``: why it is cancelled or given back.

        Raises: Unanswered, Refused, Limited.
        """
        change = {"id": trip_id, "status": status, "cancelCode": code, "pin": pin}
        payload = await self.insist(operations.UPDATE_TRIP, input=change)
        return self._changed(payload)

    async def arrive(self, trip_id: str) -> Changed:
        """Report arrival at a trip's pick-up; idempotent. Raises: Unanswered, Refused, Limited."""
        return self._changed(await self.insist(operations.REPORT_ARRIVAL, tripId=trip_id))

    def _changed(self, payload: dict[str, Any]) -> Changed:
        if not payload["errors"]:
            return Changed(payload["trip"])
        error = payload["errors"][0]
        self._counts.answers[error["code"]] += 1
        return Changed(None, error["code"], error.get("retryAfter"))

    async def _ask(self, document: str, variables: dict[str, Any]) -> Any:
        self._counts.http_requests += 1
        try:
            response = await self._http.post(
                "/graphql", json={"query": document, "variables": variables}, headers=self._headers
            )
        except httpx.TransportError as error:
            raise Unanswered(type(error).__name__) from None
        try:
            body = response.json()
        except ValueError:
            raise Unanswered(f"HTTP {response.status_code}") from None
        if not isinstance(body, dict):
            raise Unanswered(f"HTTP {response.status_code}")
        for error in body.get("errors", ()):
            extensions = error.get("extensions", {})
            code = extensions.get("code", f"HTTP {response.status_code}")
            if code == "RATE_LIMITED":
                raise Limited(float(extensions.get("retryAfter", 1)))
            raise Unanswered(code) if response.status_code >= 500 or code == "INTERNAL" else Refused(code)
        if "data" not in body:
            raise Unanswered(f"HTTP {response.status_code}")
        (value,) = body["data"].values()
        return value
