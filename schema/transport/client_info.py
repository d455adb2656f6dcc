"""Who sent an HTTP request, as far as the request itself tells."""

from starlette.datastructures import Headers
from starlette.types import Scope

from schema.transport.credentials import Cookies
from services.limits.networks import (is_loopback, network_of)

# What proxies say about whom they ask for.
_OF_PROXIES = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via")


class HttpSender:
    """Where a request comes from, and which tokens it carries. Looked up when asked for: few operations ask."""

    __slots__ = ("_cookies", "_headers", "_knows_itself", "_scope")

    def __init__(self, scope: Scope, headers: Headers, cookies: Cookies, *, knows_itself: bool) -> None:
        """``knows_itself``: nobody else's requests come from this machine."""
        self._scope = scope
        self._headers = headers
        self._cookies = cookies
        self._knows_itself = knows_itself

    @property
    def address(self) -> str | None:
        """The network that limits count by; None: this machine itself.

        Where a trusted proxy has connected, uvicorn has put there whom it asks for: the right-most address of
        ``X-Forwarded-For`` that is not a trusted proxy's. What anybody else writes there is not looked at.
        """
        client: tuple[str, int] | None = self._scope.get("client")
        host = client[0] if client is not None else None
        if self._knows_itself and is_loopback(host) and not any(name in self._headers for name in _OF_PROXIES):
            return None
        return network_of(host)

    def token(self, *, is_bearer: bool) -> str | None:
        """The token of the ``Authorization`` header, or that of the cookie."""
        return self._cookies.bearer(self._headers) if is_bearer else self._cookies.kept(self._headers)

    @property
    def is_bearer(self) -> bool:
        """Whether the caller is who the ``Authorization`` header says, whatever cookie is beside it."""
        return "authorization" in self._headers
