"""The apps in examples/: a rider and a driver, each in a browser of their own, on a server."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Locator, ViewportSize, expect

from application.settings import Settings
from tests.browser.board_page import PASSWORD
from tests.browser.conftest import NewContext
from tests.browser.watched_page import WatchedPage
from tests.conftest import LiveServer
from tests.support import client_package
from tests.support.api import LOG_IN, LOG_OUT, Api
from tests.support.client_package import APPS
from tests.support.node_servers import node_server
from tests.support.proxy import WebLink, web_link

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}
# What the browser itself says while there is no way to the server.
OF_A_LOST_CONNECTION = re.compile(
    r"WebSocket connection to '.*/graphql' failed|Failed to load resource: .* status of 50\d"
)

# axe is among the packages of the board.
pytestmark = [
    pytest.mark.usefixtures("web_build"),
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A driver needs the rider's PIN."""
    return settings.model_copy(update={"pick_up_pin": True})


class AppPage(WatchedPage):
    """An app in the browser of one person."""

    async def start(self) -> None:
        """Open it. From now on all that the console says is kept, except for information."""
        self.page.on(
            "console", lambda message: self.errors.append(message.text) if message.type == "warning" else None
        )
        await self.go("/")

    async def sign_up(self, first_name: str, role: Literal["Rider", "Driver"], password: str = PASSWORD) -> None:
        await self.page.get_by_role("radio", name=role).check()
        await self.page.get_by_label("First name").fill(first_name)
        await self.page.get_by_label("Last name").fill("Vos")
        await self.page.get_by_label("User name").fill(f"{first_name.lower()}@example.com")
        await self.page.get_by_label("Password").fill(password)
        await self.press("Sign up")

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    @property
    def problem(self) -> Locator:
        """What the page says of an error."""
        return self.page.get_by_role("alert").locator("p")

    def card(self, title: str) -> Locator:
        """The part with this heading."""
        return self.page.get_by_role("region", name=title, exact=True)

    async def says(self, link: str) -> None:
        """Wait until the page says this of its connection."""
        await expect(self.page.get_by_role("status")).to_have_text(link)

    async def look(self, name: str) -> None:
        """Look at a state in all four ways: nothing is inaccessible, and nothing is wider than the screen."""
        for device, size in (("phone", PHONE), ("desk", DESK)):
            await self.page.set_viewport_size(size)
            for scheme in ("dark", "light"):
                await self.page.emulate_media(color_scheme=scheme)
                await self.picture(f"example-{name}-{device}-{scheme}")
                assert await self.faults(of_colors=scheme == "light") == []
            assert await self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


OpenApp = Callable[[], Awaitable[AppPage]]


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of the apps, which are built."""
    return client_package.build_examples()


@pytest_asyncio.fixture(loop_scope="session")
async def link(live_server: LiveServer) -> AsyncIterator[WebLink]:
    """The way from the apps' own server to the API."""
    async with web_link(live_server.url) as way:
        yield way


@pytest_asyncio.fixture(loop_scope="session")
async def visit_app(app: str, examples: Path, link: WebLink, new_context: NewContext) -> AsyncIterator[OpenApp]:
    """Opens the app, each time in another browser. What the console complains of fails the test."""
    pages: list[AppPage] = []

    async def visit() -> AppPage:
        context = await new_context(viewport=PHONE, reduced_motion="reduce")
        page = AppPage(await context.new_page(), url=url)
        pages.append(page)
        await page.start()
        return page

    preview = (
        "preview",
        "--config",
        "../vite.config.ts",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
        "--strictPort",
    )
    async with node_server(
        str(examples / "node_modules" / ".bin" / "vite"),
        *preview,
        folder=examples / app,
        environment={"SERVER_URL": link.url},
    ) as url:
        yield visit
        for page in pages:
            await page.page.context.close()
    assert [page.elsewhere for page in pages] == [[] for _ in pages]
    assert [page.errors for page in pages] == [[] for _ in pages]


@pytest.mark.parametrize("app", APPS)
async def test_a_rider_and_a_driver_of_an_example_app_go_through_a_whole_trip(
    app: str, visit_app: OpenApp, link: WebLink, live_server: LiveServer
) -> None:
    rider, driver = await visit_app(), await visit_app()
    # The payload's own message is shown.
    await rider.sign_up("Robin", "Rider", password="short")
    await expect(rider.problem).to_contain_text("password")
    await expect(rider.page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    await rider.look(f"{app}-sign-up")
    await rider.sign_up("Robin", "Rider")
    await driver.sign_up("Dana", "Driver")
    for page in (rider, driver):
        await page.says("Live")
    await expect(driver.card("Offers")).to_contain_text("Nobody nearby is asking for a ride.")
    await rider.look(f"{app}-rider")

    await rider.press("Request a trip")
    await expect(rider.card("Looking for a driver")).to_contain_text("Central Station – Artis Zoo")
    await expect(rider.page.get_by_role("heading", name="Looking for a driver")).to_be_focused()
    await expect(driver.card("Offers")).to_contain_text("Robin: Central Station – Artis Zoo")
    await driver.look(f"{app}-offers")
    await driver.press("Accept")
    coming = rider.card("Dana is on the way")
    car = coming.locator("circle.car")
    await expect(car).to_be_visible()
    parked = await car.get_attribute("cx")
    await driver.press("Drive to the pick-up")
    await expect(car).not_to_have_attribute("cx", parked or "")
    await expect(coming).to_contain_text(re.compile(r"The car is \S+ k?m away"))
    await rider.look(f"{app}-coming")

    # Without the PIN that only the rider sees nobody drives off.
    await driver.press("Robin is in the car")
    await expect(driver.problem).to_contain_text("PIN")
    pin = await rider.page.locator(".pin").inner_text()
    await driver.page.get_by_label("The rider’s PIN").fill(pin)
    await driver.look(f"{app}-driver")

    await link.cut()
    for page in (rider, driver):
        await page.says("Connection lost. What you see may be old.")
    await rider.look(f"{app}-lost")
    # Both what the driver asks for and the reports of the car fail: the page says so once.
    await driver.press("Robin is in the car")
    await expect(driver.problem).to_have_text([re.compile("cannot be reached")])
    await driver.press("Drive to the pick-up")
    for _ in range(2):
        await driver.page.wait_for_event("response", lambda answer: answer.status >= 500)
    await expect(driver.problem).to_have_text([re.compile("cannot be reached")])
    async with Api(live_server.url) as elsewhere:
        await elsewhere.data(LOG_IN, username="dana@example.com", password=PASSWORD)
        (trip,) = (await elsewhere.data("{ trips(first: 1) { nodes { id } } }"))["nodes"]
        await elsewhere.update_trip(trip["id"], "IN_PROGRESS", pin=pin)
    await expect(coming).to_be_visible()
    await link.restore()
    for page in (rider, driver):
        await page.says("Live")
        assert [error for error in page.errors if not OF_A_LOST_CONNECTION.match(error)] == []
        page.errors.clear()
    riding = rider.card("You are riding with Dana")
    await expect(riding.locator("circle.car")).to_be_visible()
    await expect(riding.get_by_role("button", name="Cancel the trip")).to_have_count(0)

    await driver.press("Drive to the drop-off")
    await driver.press("Complete the trip")
    await expect(rider.card("Where to?")).to_be_visible()
    trips = rider.card("Your trips").get_by_role("listitem")
    await expect(trips).to_have_text(["Central Station – Artis Zoo Completed"])
    await expect(driver.card("Offers")).to_contain_text("Nobody nearby is asking for a ride.")

    # The next one is cancelled.
    await rider.page.get_by_role("combobox", name="To").select_option("Museum Square")
    await rider.press("Request a trip")
    await expect(driver.page.get_by_role("button", name="Accept")).to_be_visible()
    await rider.press("Cancel the trip")
    await expect(driver.card("Offers")).to_contain_text("The rider has cancelled")
    await expect(trips).to_have_text(
        ["Central Station – Museum Square Cancelled", "Central Station – Artis Zoo Completed"]
    )

    await rider.press("Log out")
    await rider.press("I have an account")
    await rider.page.get_by_label("User name").fill("robin@example.com")
    await rider.page.get_by_label("Password").fill(PASSWORD)
    await rider.press("Log in")
    await rider.says("Live")
    await expect(trips).to_have_count(2)


@pytest.mark.parametrize("app", APPS)
async def test_an_example_app_says_that_its_session_has_ended_and_goes_on_duty_again(
    app: str, visit_app: OpenApp, live_server: LiveServer
) -> None:
    driver = await visit_app()
    await driver.sign_up("Dana", "Driver")
    await driver.press("Go off duty")
    await expect(driver.card("Offers")).to_contain_text("You are off duty.")
    await driver.press("Go on duty")
    await expect(driver.card("Offers")).to_contain_text("Nobody nearby is asking for a ride.")

    (cookie,) = await driver.page.context.cookies()
    session = {"Cookie": f"{cookie.get('name')}={cookie.get('value')}"}
    async with Api(live_server.url) as elsewhere:
        await elsewhere.post(LOG_OUT, session)
    await driver.says("Your session has ended.")
    await driver.press("Log in")
    await expect(driver.card("Sign up")).to_be_visible()
