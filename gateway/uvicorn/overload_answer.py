"""The answer to a request that an overloaded process refuses: 503 with ``Retry-After``."""

import functools
import random
from collections.abc import Collection, Iterable

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.uvicorn.request_head import FRAMING

# After how many seconds a client may try again: not all at the same moment.
RETRY_AFTER_S = (1, 3)

_CROSS_ORIGIN = (
    b"access-control-allow-origin: %s\r\naccess-control-allow-credentials: true\r\n"
    b"access-control-expose-headers: Retry-After\r\nvary: Origin\r\n"
)


def overload_answer(
    default_headers: Iterable[tuple[bytes, bytes]],
    *,
    origin: bytes,
    allowed_origins: Collection[str],
    has_body: bool,
    keeps_alive: bool,
) -> bytes:
    """The bytes. ``origin``: what the request says; only pages of the allowed origins may read the answer.
    ``has_body``: false for HEAD.
    """
    wait_s = random.randint(*RETRY_AFTER_S)  # noqa: S311
    body = _body(wait_s)
    return (
        STATUS_LINE[503]
        + b"".join(b"%s: %s\r\n" % header for header in default_headers)
        + b"content-type: application/json\r\ncontent-length: %d\r\nretry-after: %d\r\n" % (len(body), wait_s)
        + (b"" if keeps_alive else b"connection: close\r\n")
        + (_CROSS_ORIGIN % origin if origin.decode("latin-1") in allowed_origins else b"")
        + FRAMING
        + b"\r\n"
        + (body if has_body else b"")
    )


@functools.cache
def _body(wait_s: int) -> bytes:
    extensions = {"code": "OVERLOADED", "retryAfter": wait_s}
    error = {"message": "The server has too much to do at the moment.", "extensions": extensions}
    return orjson.dumps({"errors": [error]})
