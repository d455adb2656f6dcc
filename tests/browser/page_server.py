"""A server for pages of another origin, on its own port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.support.in_process import listening


@asynccontextmanager
async def serving_pages(host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve an empty page at every path; yields the origin. A test evaluates the page's scripts in it."""

    async def page(_: object) -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>Somebody else</title><body></body>")

    config = uvicorn.Config(
        Starlette(routes=[Route("/{path:path}", page)]),
        host=host,
        port=0,
        loop="none",
        ws="none",
        log_config=None,
        access_log=False,
    )
    async with listening(config) as port:
        yield f"http://{host}:{port}"
