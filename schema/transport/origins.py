"""Which pages may make a browser send the user's cookie here."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

PREFLIGHT_HEADERS = ("graphql-require-preflight", "apollo-require-preflight")
# A name of 253, a port and a scheme.
_MAX_CHARS = 270
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Origins:
    """Distinguishes requests of our own and allowed pages from requests of foreign pages.

    Browsers send the origin of a page in ``Sec-Fetch-Site`` and ``Origin``; no page can forge these headers.
    SameSite=Lax alone is not enough: another port of the same host is the same site.
    """

    def __init__(self, *, public_url: str | None, allowed: Sequence[str]) -> None:
        self._public = public_url
        self.allowed = frozenset(origin.lower() for origin in allowed)

    def allows_socket(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Whether a handshake is allowed. Without an Origin it is, because every browser sends one."""
        if "origin" not in headers and "sec-fetch-site" not in headers:
            return True
        return self._is_ours(scope, headers)

    def why_not(self, headers: Mapping[str, str]) -> str:
        """Why ``allows_socket`` refuses a request, and what the operator can do about it."""
        if self._public is not None:
            ours = f"TAXIRANK_PUBLIC_URL ({self._public})"
        else:
            ours = f"the requested host (Host: {headers.get('host', '')[:100]})"
        return (
            f"The page's origin is neither {ours} nor in TAXIRANK_ALLOWED_ORIGINS. List it there, or let the "
            "proxy pass on the Host that it was asked by (Vite: without changeOrigin)."
        )

    def allows_form(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Whether a request that any page could send without a preflight is allowed."""
        return any(name in headers for name in PREFLIGHT_HEADERS) or self._is_ours(scope, headers)

    def is_foreign(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        """Whether a page of another, not allowed, origin made the request.

        False for requests of programs, and for an address that the user typed into the browser.
        """
        if "origin" not in headers and headers.get("sec-fetch-site", "none") == "none":
            return False
        return not self._is_ours(scope, headers)

    def _is_ours(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        origin = headers.get("origin", "").lower()
        if origin in self.allowed:
            return True
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        if not origin:
            return False
        if self._public is not None:
            return origin == self._public.lower()
        return _have_same_host(origin, f"{scope['scheme']}://{headers.get('host', '')}")


def _have_same_host(url: str, other: str) -> bool:
    # Nearly all pages come from few hosts. A cached header of 64 KB would take memory.
    if len(url) > _MAX_CHARS or len(other) > _MAX_CHARS:
        return False
    host = _host_and_port(other)
    return host is not None and _host_and_port(url) == host


@lru_cache(maxsize=128)
def _host_and_port(url: str) -> tuple[str, int | None] | None:
    """None when the URL has no host that can be read."""
    try:
        parts = urlsplit(url)
        return (parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)) if parts.hostname else None
    except ValueError:
        return None
