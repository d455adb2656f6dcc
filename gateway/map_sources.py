"""Where the maps of the pages load their style and its tiles from."""

import html
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class MapSources:
    """The style of the maps, and the origins that it names; without a style, the made-up city of the build.

    MapLibre loads everything by `fetch`, on the page and in its worker: both need ``connect_src``.
    """

    style_url: str | None = None
    origins: tuple[str, ...] = ()

    @property
    def connect_src(self) -> str:
        """The sources of the policy's directive of that name."""
        if self.style_url is None:
            return "'self'"
        parts = urlsplit(self.style_url)
        return " ".join(dict.fromkeys(("'self'", f"{parts.scheme}://{parts.netloc}", *self.origins)))

    def named_in(self, page: str) -> str:
        """The page with the address of the style, where its scripts find it."""
        if self.style_url is None:
            return page
        return page.replace("<html", f'<html data-map-style="{html.escape(self.style_url)}"', 1)
