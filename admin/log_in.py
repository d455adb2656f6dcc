"""The log-in of the admin: sessions and the cookie are those of the API, the users are staff."""

from collections.abc import Awaitable, Callable
from math import ceil
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin.auth import AdminUser, AuthProvider
from starlette_admin.exceptions import LoginFailed
from starlette_admin.helpers import index_url, safe_redirect_url

from services.accounts.log_in import BadCredentials
from services.limits.rates import RateLimited
from services.staff.staff import Staff, StaffMember


class SessionCookie(Protocol):
    """The session cookie."""

    def from_cookie(self, headers: Headers) -> str | None:
        """The token in a request's cookie."""
        ...

    def set(self, response: Response, token: str) -> None:
        """Put the token into the cookie; an empty token removes the cookie."""
        ...


def member_of(request: Request) -> StaffMember:
    """The member of staff who makes the request; every page except the log-in page has one."""
    return request.state.member


class LogIn(AuthProvider):
    """Lets only staff log in."""

    def __init__(
        self,
        staff: Staff,
        *,
        cookie: SessionCookie,
        address_of: Callable[[Request], str | None],
        waiting: Callable[[], Awaitable[int]] | None,
    ) -> None:
        """``address_of``: the network that rate limits count a request by; None: this machine itself.

        ``waiting``: how many drivers wait for staff, for the navigation of each page.
        """
        super().__init__()
        self._staff = staff
        self._cookie = cookie
        self._address_of = address_of
        self._waiting = waiting

    async def authenticate(self, request: Request) -> AdminUser | None:
        """The member of staff whose session token is in the cookie."""
        token = self._cookie.from_cookie(request.headers)
        member = await self._staff.member(token) if token else None
        if member is None:
            return None
        request.state.member = member
        if self._waiting is not None and request.method == "GET" and "/_api/" not in request.url.path:
            request.state.waiting = await self._waiting()
        return AdminUser(username=member.actor.user.username)

    async def login(self, username: str, password: str, remember_me: bool, request: Request) -> Response:
        """Begin a session, with the same rate limits as ``logIn``. The previous session ends."""
        # Close the files that the form may contain.
        await request.close()
        # The form needs it if it is shown again.
        request.state.refused_name = username
        try:
            session = await self._staff.log_in(
                username=username,
                password=password,
                address=self._address_of(request),
                replaces=self._cookie.from_cookie(request.headers),
            )
        except BadCredentials as fault:
            raise LoginFailed(fault.message) from None
        except RateLimited as limited:
            raise LoginFailed(f"Too many attempts: try again in {ceil(limited.retry_after_s)} s.") from None
        index = index_url(request)
        response = RedirectResponse(
            safe_redirect_url(request.query_params.get("next") or index, request, index), status_code=303
        )
        self._cookie.set(response, session.token)
        return response

    async def logout(self, request: Request) -> Response:
        """End the session and close its sockets."""
        await self._staff.log_out(member_of(request))
        response = RedirectResponse(index_url(request), status_code=303)
        self._cookie.set(response, "")
        return response
