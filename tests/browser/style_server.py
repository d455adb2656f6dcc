"""Servers of map tiles on other origins than the board's, which note what they are asked for."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.in_process import listening

HEADERS = {"Access-Control-Allow-Origin": "*"}
LINE = {"type": "LineString", "coordinates": [[4.8, 52.3], [5.0, 52.4]]}


class TileServer:
    """A host of a style, or of its tiles."""

    def __init__(self) -> None:
        self.origin = ""
        self.asked: list[str] = []
        self.is_down = False
        self.style: dict[str, Any] = {}

    def names(self, tiles: "TileServer", unlisted: "TileServer") -> None:
        """Make a style whose parts come from these hosts."""
        raster = {"type": "raster", "tileSize": 256}
        self.style = {
            "version": 8,
            "center": [4.9, 52.37],
            "zoom": 11,
            "sources": {
                "lines": {"type": "geojson", "data": f"{self.origin}/lines.json", "attribution": "© The mappers"},
                "tiles": {**raster, "tiles": [f"{tiles.origin}/{{z}}/{{x}}/{{y}}.png"]},
                "unlisted": {**raster, "tiles": [f"{unlisted.origin}/{{z}}/{{x}}/{{y}}.png"]},
            },
            "layers": [
                {"id": "tiles", "type": "raster", "source": "tiles"},
                {"id": "unlisted", "type": "raster", "source": "unlisted"},
                {"id": "lines", "type": "line", "source": "lines"},
            ],
        }

    async def answer(self, request: Request) -> Response:
        """The style, its lines or a tile."""
        self.asked.append(request.url.path)
        if self.is_down:
            return Response(status_code=503, headers=HEADERS)
        if request.url.path == "/style.json":
            return JSONResponse(self.style, headers=HEADERS)
        if request.url.path == "/lines.json":
            return JSONResponse({"type": "Feature", "properties": {}, "geometry": LINE}, headers=HEADERS)
        tile = io.BytesIO()
        Image.new("RGB", (256, 256), "teal").save(tile, "PNG")
        return Response(tile.getvalue(), media_type="image/png", headers=HEADERS)


@asynccontextmanager
async def serving_tiles() -> AsyncIterator[TileServer]:
    """Serve on a free port of this machine."""
    server = TileServer()
    config = uvicorn.Config(
        Starlette(routes=[Route("/{path:path}", server.answer)]),
        host="127.0.0.1",
        port=0,
        loop="none",
        ws="none",
        log_config=None,
        access_log=False,
    )
    async with listening(config) as port:
        server.origin = f"http://127.0.0.1:{port}"
        yield server
