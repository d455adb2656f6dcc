"""The map on the admin's pages: its files in the build of the front end, and where it loads its streets from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.map_sources import MapSources

# As in `rolldownOptions.input` of web/vite.config.ts.
_ENTRY = "src/admin/tripMap.ts"


@dataclass(frozen=True, slots=True)
class TripMapFiles:
    """The paths of a page's script and style sheets, and what the page must allow.

    ``style_url``: the style of real tiles; None: the made-up city. ``connect_src``: the sources of that directive
    of a Content-Security-Policy.
    """

    script: str
    styles: tuple[str, ...]
    style_url: str | None
    connect_src: str


class TripMap:
    """Finds the files in ``build``, the folder that Vite writes, anew for every page."""

    def __init__(self, build: Path, *, maps: MapSources) -> None:
        self._manifest = build / ".vite" / "manifest.json"
        self._maps = maps

    def files(self) -> TripMapFiles | None:
        """The files; None without a build that has them."""
        try:
            chunks: dict[str, Any] = json.loads(self._manifest.read_text(encoding="utf-8"))
            entry = chunks[_ENTRY]
        except (FileNotFoundError, KeyError):
            return None
        return TripMapFiles(
            script=f"/{entry['file']}",
            styles=tuple(f"/{style}" for style in dict.fromkeys(_styles(chunks, _ENTRY))),
            style_url=self._maps.style_url,
            connect_src=self._maps.connect_src,
        )


def _styles(chunks: dict[str, Any], name: str) -> Iterator[str]:
    """The style sheets of a chunk and of those that it imports, in the order of the cascade."""
    for imported in chunks[name].get("imports", ()):
        yield from _styles(chunks, imported)
    yield from chunks[name].get("css", ())
