"""How a request carries the session's token: in a cookie, or as a bearer token."""

from collections.abc import Mapping
from typing import Literal

from starlette.requests import cookie_parser
from starlette.responses import Response

COOKIE = "taxirank_session"


def bearer_token(authorization: str) -> str | None:
    """The token of an ``Authorization: Bearer`` value (RFC 6750, section 2.1); None for another scheme."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class Cookies:
    """Reads and writes the session cookie."""

    def __init__(self, *, is_secure: bool, samesite: Literal["lax", "strict", "none"], max_age_s: int) -> None:
        # The prefix makes browsers refuse the name from an insecure page or for another path or domain.
        self._name = f"__Host-{COOKIE}" if is_secure else COOKIE
        self._is_secure = is_secure
        self._samesite: Literal["lax", "strict", "none"] = samesite
        self._max_age_s = max_age_s

    def token(self, headers: Mapping[str, str]) -> str | None:
        """The token of a request. A bearer token takes precedence over the cookie, even if it is not valid."""
        return self.bearer(headers) if "authorization" in headers else self.from_cookie(headers)

    def bearer(self, headers: Mapping[str, str]) -> str | None:
        """The bearer token of a request."""
        return bearer_token(headers.get("authorization", ""))

    def from_cookie(self, headers: Mapping[str, str]) -> str | None:
        """The token that a request's cookie holds."""
        return cookie_parser(headers.get("cookie", "")).get(self._name)

    def set(self, response: Response, token: str) -> None:
        """Put the token into the cookie; an empty one removes it."""
        response.set_cookie(
            self._name,
            token,
            max_age=self._max_age_s if token else 0,
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite=self._samesite,
        )
