"""Signatures without a secret of the server's."""

from collections.abc import Callable
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_admin.security import CSRFMiddleware


class Signing(Protocol):
    """A middleware of starlette-admin that signs its cookies with a key."""

    def __call__(self, app: ASGIApp, secret_key: str) -> ASGIApp:
        """The middleware around an application."""
        ...


class FormTokens(CSRFMiddleware):
    """The library's check of a form's token, without what it leaves open."""

    async def _get_submitted_token(self, request: Request) -> str | None:
        try:
            return await super()._get_submitted_token(request)
        finally:
            # Uploads are in files of their own.
            await request.close()


class KeyedBySession:
    """Runs a signing middleware with the session's token as its key.

    So every process accepts what another has signed, and there is nothing to configure: only the browser knows the
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
