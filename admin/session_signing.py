"""Cookies and form tokens signed with the session's token: the server needs no secret."""

from collections.abc import Callable
from typing import Protocol

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_admin.security import CSRFMiddleware


class Signing(Protocol):
    """A middleware of starlette-admin that signs its cookies with a key."""

    def __call__(self, app: ASGIApp, secret_key: str) -> ASGIApp:
        """The middleware around an application."""
        ...


class _Unreadable(Exception):
    """The body is not the declared form, or contains too much."""


class FormTokens(CSRFMiddleware):
    """The library's check of form tokens, with its gaps closed."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Serve one request; an unreadable form gets 400."""
        try:
            return await super().dispatch(request, call_next)
        except _Unreadable as error:
            return PlainTextResponse(f"The form cannot be read: {error}", 400)

    async def _get_submitted_token(self, request: Request) -> str | None:
        # First: a client that disconnected did not send an invalid form.
        await request.body()
        _, options = parse_options_header(request.headers.get("content-type"))
        if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
            # Other charsets can decode bytes to lone surrogates, which no database stores.
            raise _Unreadable("it is not in UTF-8")
        try:
            # Also if the token is in a header: the view reads the form again, in the same way.
            await request.form()
        except HTTPException as error:
            raise _Unreadable(error.detail) from None
        except Exception:
            # Any error of the parsers is caused by the client's bytes.
            raise _Unreadable("malformed") from None
        try:
            return await super()._get_submitted_token(request)
        finally:
            # Uploads are in separate files.
            await request.close()


class SessionSigning:
    """Runs a signing middleware with the session's token as its key.

    So every process accepts what another has signed, and nothing must be configured: only the browser knows the
    token. Without a session there is nothing to protect, and the key is a constant.
    """

    def __init__(self, app: ASGIApp, *, signing: Signing, token_of: Callable[[Headers], str | None]) -> None:
        self._app = app
        self._signing = signing
        self._token_of = token_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        token = self._token_of(Headers(scope=scope)) if scope["type"] == "http" else None
        await self._signing(self._app, secret_key=token or "nobody")(scope, receive, send)
