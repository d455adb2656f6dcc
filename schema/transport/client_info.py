"""The client of an HTTP request: its address and its tokens."""

from collections.abc import Mapping

from starlette.types import Scope

from schema.transport.credentials import Cookies
from schema.transport.origins import Origins
from services.limits.networks import is_loopback, network_of

# Headers in which proxies name their client.
_OF_PROXIES = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via")


class HttpClientInfo:
    """Where a request comes from, and which tokens it carries. Read on demand: few operations need them."""

    __slots__ = ("_cookies", "_headers", "_own_pages", "_scope", "_trusts_loopback")

    def __init__(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        cookies: Cookies,
        *,
        trusts_loopback: bool,
        own_pages: Origins,
    ) -> None:
        """``trusts_loopback``: a loopback address is this machine itself, not the client of a proxy on it.

        ``own_pages``: knows this server's own pages, and no others.
        """
        self._own_pages = own_pages
        self._scope = scope
        self._headers = headers
        self._cookies = cookies
        self._trusts_loopback = trusts_loopback

    @property
    def address(self) -> str | None:
        """The network that limits count by; None: this machine itself.

        Behind a trusted proxy, uvicorn has put the proxy's client there: the right-most address of
        ``X-Forwarded-For`` that is not a trusted proxy's. It ignores the header of any other peer.
        """
        client: tuple[str, int] | None = self._scope.get("client")
        host = client[0] if client is not None else None
        if self._trusts_loopback and is_loopback(host) and not any(name in self._headers for name in _OF_PROXIES):
            return None
        return network_of(host)

    def token(self, *, is_bearer: bool) -> str | None:
        """The token of the ``Authorization`` header, or that of the cookie."""
        return self._cookies.bearer(self._headers) if is_bearer else self._cookies.from_cookie(self._headers)

    @property
    def is_own_page(self) -> bool:
        """Whether anything but a page of another origin with the cookie of its visitor makes the request."""
        return self.is_bearer or not self._own_pages.is_foreign(self._scope, self._headers)

    @property
    def is_bearer(self) -> bool:
        """Whether the ``Authorization`` header names the caller. A cookie in the same request is then ignored."""
        return "authorization" in self._headers
