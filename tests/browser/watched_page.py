import itertools
import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page, Request, WebSocket, expect

from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = ROOT / "var" / "screenshots"

# Those of axe's default rules that depend on colors.
COLOR_RULES = ["color-contrast", "link-in-text-block"]

# Each device and each scheme once: enough for a state of a page whose other states are looked at in all four.
USUAL = (("phone", "dark"), ("desk", "light"))

PATIENCE_MS = PATIENCE_S * 1_000
_NUMBERS = itertools.count()
DRAWN_MS = 60_000
# What the page has shown at these elements since then, also what has been replaced before anybody could look.
RECORD = """([selector, attribute, name]) => {
    const recorded = (window[name] = []);
    const text = (element) => attribute ? element.getAttribute(attribute) : element.textContent;
    const note = () => {
        const shown = [...document.querySelectorAll(selector)].map(text).join(" | ");
        if (recorded.at(-1) !== shown) recorded.push(shown);
    };
    const attributes = attribute ? { attributeFilter: [attribute] } : {};
    const changes = { subtree: true, childList: true, characterData: true, ...attributes };
    new MutationObserver(note).observe(document, changes);
    note();
}"""
REPORT_VIOLATIONS = """
    addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sample }) =>
        console.error("policy violated:", effectiveDirective, blockedURI, sample));
"""


class WatchedPage:
    """A page of the server in a browser that can reach nothing else, and the errors behind it."""

    draws_pictures = False

    def __init__(self, page: Page, *, url: str) -> None:
        self.page = page
        self.url = url
        self.elsewhere: list[str] = []
        """Requests and sockets to any other host than the server's, none of which the browser finds."""
        self.sockets: list[str] = []
        self.errors: list[str] = []
        """Errors on the console (a violated Content-Security-Policy is one) and uncaught exceptions."""
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("websocket", self._note_socket)
        # Routes would work too, but with them the browser does not cache the files of a page.
        page.on("request", self._note_request)

    async def leave(self) -> None:
        """Leave the page, and drop the browser's own errors about a stopped server."""
        await self.page.goto("about:blank")
        self.errors.clear()

    async def go(self, path: str) -> None:
        """Open a path of the server."""
        await self.page.add_init_script(REPORT_VIOLATIONS)
        await self.page.goto(f"{self.url}{path}")

    async def record(self, selector: str, attribute: str = "") -> Callable[[], Awaitable[list[str]]]:
        """Note each text of these elements, or each value of their attribute, until the next load of the page.
        Returns what reads the notes.

        For a state that may be over before a slow machine looks at it.
        """
        name = f"recorded{next(_NUMBERS)}"
        await self.page.evaluate(RECORD, [selector, attribute, name])
        return partial(self.page.evaluate, name)

    async def picture(self, name: str, *, full_page: bool = True) -> None:
        """Draw the page, or its visible part, into ``var/screenshots``; only with ``--screenshots``."""
        if not self.draws_pictures:
            return
        # The maps in sight draw a change of the theme, or of their size, in their next frames.
        await self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        # The processor draws a large map for long, and a city changes once a second.
        await expect(self.page.locator(".map-view[data-map=busy]:visible")).to_have_count(0, timeout=DRAWN_MS)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full_page, animations="disabled")

    async def faults(self, *, of_colors: bool = False) -> list[str]:
        """Serious and critical accessibility faults found by axe; perhaps only those of colors."""
        if await self.page.evaluate("typeof axe === 'undefined'"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        options = {"resultTypes": ["violations"], **({"runOnly": COLOR_RULES} if of_colors else {})}
        found: dict[str, Any] = await self.page.evaluate("options => axe.run(options)", options)
        return [
            f"{fault['id']}: {json.dumps([node['target'] for node in fault['nodes']])}"
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:", f"blob:{self.url}/", "about:")):
            self.elsewhere.append(request.url)

    def _note_socket(self, socket: WebSocket) -> None:
        self.sockets.append(socket.url)
        if urlsplit(socket.url).netloc != urlsplit(self.url).netloc:
            self.elsewhere.append(socket.url)
