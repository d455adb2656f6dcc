from playwright.async_api import Locator, Page, expect

from tests.browser.watched_page import USUAL, WatchedPage
from tests.support.api import PASSWORD

PATH = "/admin/live"
DEVICES = (("desk", 1440, 900), ("phone", 390, 844))
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


class CityPage(WatchedPage):
    """The city, live, in a browser, and the actions of a member of staff there."""

    def __init__(self, page: Page, *, url: str) -> None:
        super().__init__(page, url=url)
        self.link = page.locator(".link")
        self.map = page.locator(".live-map .map-view")
        self.card = page.locator(".card")
        self.rows = page.locator(".things tbody tr")
        self.counters = page.locator(".counters")

    async def open(self) -> None:
        """Ask for the page, which leads to the log-in."""
        await self.go(PATH)
        await expect(self.page.get_by_label("User name")).to_be_visible()

    async def log_in(self, username: str) -> None:
        """Log in; ends at the page, with the city and its map."""
        await self.page.get_by_label("User name").fill(username)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.link).to_have_text("Live")
        await expect(self.map).to_have_attribute("data-map", "idle")

    async def choose(self, tab: str) -> None:
        """Choose what the list shows."""
        await self.page.locator(".things .choice label").filter(has_text=tab).click()

    def counter(self, name: str) -> Locator:
        """The number of a counter."""
        return self.counters.locator("div").filter(has_text=name).locator("dd")

    def row(self, text: str) -> Locator:
        """The row of the list that has this text."""
        return self.rows.filter(has_text=text)

    async def focused(self) -> str:
        """The text of the element that has the focus."""
        return await self.page.evaluate("document.activeElement.innerText")

    async def where(self) -> tuple[float, float]:
        """Where the shown card points to on the map, in pixels from its corner."""
        left, top = await self.card.evaluate(
            "card => ['--x', '--y'].map((name) => parseFloat(card.style.getPropertyValue(name)))"
        )
        return left, top

    async def on_page(self, at: tuple[float, float]) -> tuple[float, float]:
        """A point of the map, in pixels of the page."""
        box = await self.map.bounding_box()
        assert box is not None
        return box["x"] + at[0], box["y"] + at[1]

    async def place_of(self, text: str) -> tuple[float, float]:
        """Where on the map a row of the list is, in pixels from its corner."""
        await self.row(text).get_by_role("link").focus()
        await expect(self.card).to_contain_text(text)
        await expect(self.map).to_have_attribute("data-map", "idle")
        at = await self.where()
        await self.row(text).get_by_role("link").blur()
        await expect(self.card).to_have_count(0)
        return at

    async def look(self, name: str, *, everywhere: bool = False) -> None:
        """On a phone in the dark and on a desk in the light: axe finds nothing, nothing is wider than the window.

        ``everywhere``: on both in both. So it is with ``--screenshots``, which draws the pictures.
        """
        for device, width, height in reversed(DEVICES):
            await self.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("dark", "light"):
                is_usual = (device, scheme) in USUAL
                if not (is_usual or everywhere or self.draws_pictures):
                    continue
                await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                await self.page.evaluate(TWO_FRAMES)
                # In the other scheme only the colors differ.
                assert await self.faults(of_colors=not is_usual) == [], f"{name}-{device}-{scheme}"
                assert await self.page.evaluate("document.documentElement.scrollWidth") == width
                await self.picture(f"{name}-{device}-{scheme}", full_page=device == "phone")

    async def pictures(self, name: str) -> None:
        """Draw the page on a desk, a wide screen and a phone, in light and dark; only with ``--screenshots``."""
        if not self.draws_pictures:
            return
        for device, width, height in (*DEVICES, ("wide", 2200, 1200)):
            await self.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("dark", "light"):
                await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                await self.page.evaluate(TWO_FRAMES)
                await expect(self.map).to_have_attribute("data-map", "idle")
                await self.picture(f"{name}-{device}-{scheme}", full_page=device == "phone")
        await self.page.set_viewport_size({"width": 1440, "height": 900})
