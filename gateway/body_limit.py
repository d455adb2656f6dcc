"""The limits of request bodies: their size, their time, and the memory of all of them together."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, cast

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.tasks import within

_DIGITS = re.compile(rb"[0-9]{1,18}")
_SMALL_BODY_BYTES = 64 * 1024


class BodyLimit:
    """Limits request bodies: bytes, time, and the memory of all of them together.

    - More than ``max_bytes``, declared or received: 413.
    - A client that keeps the application waiting for more than ``timeout_s`` in total: 408. Only waiting counts,
      so that a busy server does not blame its clients.
    - More than ``max_bytes_together`` in all bodies under way: 503 for those above 64 KiB. Small requests pass.

    If the application does not read a body to its end, the connection is closed after the answer.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, max_bytes_together: int, timeout_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bytes_together = max_bytes_together
        self._timeout_s = timeout_s
        self._bytes_together = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced, is_chunked = b"0", False
        for name, value in scope["headers"]:
            if name == b"content-length":
                announced = value
            elif name == b"transfer-encoding":
                is_chunked = True
        if not _DIGITS.fullmatch(announced) or int(announced) > self._max_bytes:
            await self._too_large().answer(scope, receive, send)
            return
        is_whole = not is_chunked and int(announced) == 0
        loop = asyncio.get_running_loop()
        received, has_begun, patience_s = 0, False, self._timeout_s
        refused: _Refused | None = None

        async def receive_bounded() -> Message:
            nonlocal refused
            if is_whole:
                return await receive()
            try:
                return await receive_in_time()
            except _Refused as error:
                if has_begun:
                    # The application only asks whether the client is connected: this one counts as gone.
                    return {"type": "http.disconnect"}
                refused = error
                raise

        async def receive_in_time() -> Message:
            nonlocal received, is_whole, patience_s
            began = loop.time()
            try:
                # While an answer is being sent, the server does not wait for the client.
                message = await within(
                    None if has_begun else patience_s, cast("Coroutine[Any, Any, Message]", receive())
                )
            except TimeoutError:
                raise _Refused(408, "REQUEST_TIMEOUT", "The body did not arrive in time.") from None
            patience_s -= loop.time() - began
            size = len(message.get("body", b""))
            received += size
            self._bytes_together += size
            if received > self._max_bytes:
                raise self._too_large()
            if self._bytes_together > self._max_bytes_together and received > _SMALL_BODY_BYTES:
                raise _Refused(
                    503, "OVERLOADED", "The server is receiving too much at the moment.", retry_after_s=1
                )
            is_whole = not message.get("more_body", False)
            return message

        async def send_noted(message: Message) -> None:
            nonlocal has_begun
            if refused is not None:
                # Another task of the application answers while the one that waited for the body is being ended.
                return
            has_begun = True
            if not is_whole and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive_bounded, send_noted)
        except (_Refused, BaseExceptionGroup):
            # When it is raised within a task group, it arrives in an exception group.
            if refused is None:
                raise
        finally:
            self._bytes_together -= received
        if refused is not None:
            await refused.answer(scope, receive, send)

    def _too_large(self) -> "_Refused":
        return _Refused(413, "PAYLOAD_TOO_LARGE", f"The body has more than {self._max_bytes} bytes.")


class _Refused(BaseException):
    """Passes through the application without triggering its error handling."""

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        extensions: dict[str, object] = {"code": code}
        # The rest of the body is not read: the connection cannot be used again.
        headers = {"Connection": "close"}
        if retry_after_s is not None:
            extensions["retryAfter"] = retry_after_s
            headers["Retry-After"] = str(retry_after_s)
        error = {"message": message, "extensions": extensions}
        self.answer = JSONResponse({"errors": [error]}, status, headers=headers)
