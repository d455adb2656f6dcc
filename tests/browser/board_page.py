import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Locator, Page, Route, expect

from tests.browser.watched_page import USUAL, WatchedPage

PASSWORD = "correct-horse-battery-9"


class Panel:
    """One person's panel on the page."""

    def __init__(self, page: Page, panel_id: str) -> None:
        self.page = page
        self.root = page.locator(f"#panel-{panel_id}")
        self.map = self.root.locator(".city canvas")
        self.map_view = self.root.locator(".map-view")
        self.title = self.root.locator("h2").first
        self.headline = self.root.locator("h3")
        self.link = self.root.locator(".link")
        self.notice = self.root.locator(".notice")
        self.problems = self.root.locator(".problems p")
        self.id = panel_id
        self.eta = self.root.locator(".eta")
        self.party = self.root.locator(".trip .party")
        self.actions = self.root.locator(".actions button")
        self.estimate = self.root.locator(".estimate")
        self.drop_off = self.root.locator(".trip .ends .to")
        self.offers = self.root.get_by_role("list", name="Offers").locator(".offer")

    async def sign_up(self, first_name: str, *, photo: Path | None = None) -> None:
        """Sign up a new user; returns when the panel shows them."""
        await self.fill_sign_up(first_name, photo=photo)
        await self.press("Sign up")
        await self.is_live(first_name)

    async def fill_sign_up(self, first_name: str, *, password: str = PASSWORD, photo: Path | None = None) -> None:
        await self.root.get_by_label("First name").fill(first_name)
        await self.root.get_by_label("Last name").fill("Vos")
        await self.root.get_by_label("User name").fill(f"{first_name.lower()}@example.com")
        await self.root.get_by_label("Password").fill(password)
        if photo is not None:
            await self.root.get_by_label("Photo").set_input_files(photo)

    async def fill_vehicle(self, make: str, model: str, color: str, plate: str) -> None:
        for label, value in {"Make": make, "Model": model, "Colour": color, "Plate": plate}.items():
            await self.root.get_by_label(label).fill(value)

    async def log_in(self, first_name: str) -> None:
        await self.fill_log_in(first_name)
        await self.is_live(first_name)

    async def fill_log_in(self, first_name: str, password: str = PASSWORD) -> None:
        await self.root.get_by_label("I have an account").check()
        await self.root.get_by_label("User name").fill(f"{first_name.lower()}@example.com")
        await self.root.get_by_label("Password").fill(password)
        await self.root.get_by_role("button", name="Log in").click()

    async def is_live(self, first_name: str) -> None:
        await expect(self.title).to_contain_text(first_name)
        await expect(self.link).to_have_text("Live")

    async def press(self, name: str) -> None:
        await self.button(name).click()

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name)

    async def map_is_drawn(self) -> None:
        """Wait until the map is drawn, and stands still."""
        await expect(self.map_view).to_have_attribute("data-map", "idle")

    async def click_map(self, x: float, y: float) -> None:
        """Click at this fraction of the map's width and height."""
        await self.page.mouse.click(*await self._on_map(x, y))

    async def drag_car(self, x: float, y: float) -> None:
        """Drag the car to this fraction of the map's width and height."""
        await self._drag_car(*await self._on_map(x, y))

    async def drag_car_to(self, kind: str) -> None:
        """Drag the car onto a marker."""
        await self.map_is_drawn()
        await self._drag_car(*await self._middle(self.marker(kind)))

    async def _drag_car(self, x: float, y: float) -> None:
        mouse = self.page.mouse
        await mouse.move(*await self._middle(self.marker("car")))
        await mouse.down()
        await mouse.move(x, y, steps=4)
        await mouse.up()

    async def _on_map(self, x: float, y: float) -> tuple[float, float]:
        await self.map.scroll_into_view_if_needed()
        await self.map_is_drawn()
        box = await self.map.bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    @staticmethod
    async def _middle(target: Locator) -> tuple[float, float]:
        box = await target.bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def end(self, name: str) -> Locator:
        """The fields of the pick-up or the drop-off."""
        return self.root.get_by_role("group", name=name)

    async def fill_request(self, pick_up: tuple[str, str], drop_off: tuple[str, str]) -> None:
        """Fill in two ends, each an address and a position."""
        for end, (address, position) in (("Pick-up", pick_up), ("Drop-off", drop_off)):
            await self.end(end).get_by_label("Address or place").fill(address)
            await self.end(end).get_by_label("Latitude, longitude").fill(position)

    async def request(self, pick_up: str, drop_off: str) -> None:
        """Request a trip between two places."""
        await self.end("Pick-up").get_by_label("Address or place").fill(pick_up)
        await self.end("Drop-off").get_by_label("Address or place").fill(drop_off)
        await self.press("Request a trip")
        await expect(self.headline).to_have_text("Looking for a driver")

    def marker(self, kind: str) -> Locator:
        return self.map_view.locator(f"[data-marker={kind}]")

    async def where(self, kind: str) -> str:
        """The position of a marker: latitude, longitude."""
        at = await self.marker(kind).get_attribute("data-at")
        assert at is not None
        return at

    async def history(self) -> list[str]:
        """The history of the newest trip, without the times."""
        details = self.root.locator("details.history").first
        if await details.get_attribute("open") is None:
            await details.locator("summary").click()
        return await details.locator("li > span").all_inner_texts()


class BoardPage(WatchedPage):
    """The board in a browser."""

    def __init__(self, page: Page, *, url: str) -> None:
        super().__init__(page, url=url)
        self.rider = Panel(page, "RIDER")
        self.driver = Panel(page, "DRIVER-1")

    async def open(self) -> None:
        await self.go("/")
        await expect(self.page.get_by_role("heading", level=1)).to_be_visible()

    def panel(self, panel_id: str) -> Panel:
        return Panel(self.page, panel_id)

    async def token(self, panel_id: str) -> str:
        """The token that the page keeps for a panel."""
        stored = await self.page.evaluate("sessionStorage.getItem('taxirank.panels')")
        return {each["id"]: each["token"] for each in json.loads(stored)}[panel_id]

    @asynccontextmanager
    async def no_answers(self) -> AsyncIterator[None]:
        """Block the page's HTTP requests; its sockets stay open."""
        await self.page.route("**/graphql", lambda route: route.fulfill(body="away"))
        yield
        await self.page.unroute("**/graphql")

    @asynccontextmanager
    async def late_answers(self) -> AsyncIterator[None]:
        """Hold back all answers to the page until the end of the block."""
        ended = asyncio.Event()

        async def answer(route: Route) -> None:
            response = await route.fetch()
            await ended.wait()
            await route.fulfill(response=response)

        await self.page.route("**/graphql", answer)
        yield
        ended.set()

    async def pictures(self, name: str, panel: Panel) -> None:
        """Draw the window as it is, and a panel on a phone, in light and dark; only with ``--screenshots``."""
        if not self.draws_pictures:
            return
        async for device, scheme in self._variants(panel):
            await self.picture(f"{name}-{device}-{scheme}", full_page=False)

    async def look(self, name: str, panel: Panel) -> None:
        """On a phone in the dark and in the window in the light: axe finds nothing, and all actions are in sight.

        With ``--screenshots`` on both in both, with pictures. (The board's own test of axe looks at both in both.)
        """
        async for device, scheme in self._variants(panel):
            await self.shows_actions(panel)
            # In the other scheme only the colors differ.
            is_usual = (device, scheme) in USUAL
            assert await self.faults(of_colors=not is_usual) == [], f"{name}-{device}-{scheme}"
            await self.picture(f"{name}-{device}-{scheme}", full_page=False)

    async def shows_actions(self, panel: Panel) -> None:
        """All that a panel offers to do is in sight."""
        for button in await panel.actions.all():
            await expect(button).to_be_in_viewport(ratio=1)

    async def _variants(self, panel: Panel) -> AsyncIterator[tuple[str, str]]:
        """Show a panel on a phone in the dark, then the window as it is in the light.

        With ``--screenshots`` both in both.
        """
        desk = self.page.viewport_size
        assert desk is not None
        scrolled = await self.page.evaluate("scrollY")
        focused = await self.page.evaluate_handle("document.activeElement")
        for size, device in (({"width": 390, "height": 844}, "phone"), (desk, "desk")):
            await self.page.set_viewport_size(size)
            tab = self.page.locator(f"#tab-{panel.id}")
            # A dialogue may lie above the tabs.
            if device == "phone" and await tab.get_attribute("aria-selected") == "false":
                await tab.click()
            for scheme in ("dark", "light"):
                if (device, scheme) in USUAL or self.draws_pictures:
                    await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                    yield device, scheme
        await focused.evaluate("(element, y) => { element.focus(); scrollTo(0, y); }", scrolled)

    async def clipped(self) -> list[str]:
        """The elements of panels that reach beyond their panel, in which nobody sees them."""
        return await self.page.evaluate(
            """[...document.querySelectorAll(".panel")].flatMap((panel) => {
                const box = panel.getBoundingClientRect();
                return [...panel.querySelectorAll("*:not(svg *, .map-view *)")]
                    .map((element) => [element, element.getBoundingClientRect()])
                    .filter(([_, { width }]) => width > 0)
                    .filter(([_, { left, right }]) => right > box.right + 1 || left < box.left - 1)
                    .map(([element]) => element.outerHTML.slice(0, 200));
            })"""
        )

    async def is_drawn(self) -> None:
        """Wait until the page has drawn the latest state."""
        await self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    async def tab_to(self, target: Locator, *, backwards: bool = False) -> None:
        """Press Tab until this element has the focus."""
        for _ in range(60):
            await self.page.keyboard.press("Shift+Tab" if backwards else "Tab")
            if await target.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError("The keyboard does not get there.")

    async def is_dark(self) -> bool:
        ground = await self.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return int(ground.split("(")[1].split(",")[0]) < 128
