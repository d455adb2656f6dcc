from playwright.async_api import Locator, Page, expect

from tests.browser.watched_page import WatchedPage
from tests.support.api import PASSWORD

# The library connects its buttons when the page is ready: an earlier click does nothing.
BUTTONS_WORK = "() => new Promise((done) => jQuery(() => done()))"


class AdminPage(WatchedPage):
    """The admin in a browser, and the actions of a member of staff there."""

    def __init__(self, page: Page, *, url: str) -> None:
        super().__init__(page, url=url)
        self.dialogue = page.get_by_role("dialog")

    async def open(self) -> None:
        """Open the log-in page."""
        await self.go("/admin")
        await expect(self.page.get_by_label("User name")).to_be_visible()

    async def log_in(self, username: str) -> None:
        """Log in; ends at the list of trips."""
        await self.page.get_by_label("User name").fill(username)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.shows("Trips")

    async def choose(self, title: str) -> None:
        """Go to a list through the menu."""
        await self.page.locator("#sidebar-menu").get_by_role("link", name=title).click()
        await self.shows(title)

    async def shows(self, title: str) -> None:
        """Wait until a page is displayed and its scripts have run."""
        await expect(self.page.locator(".page-header h1")).to_have_text(title)
        await self.page.wait_for_load_state()
        await self.page.evaluate(BUTTONS_WORK)

    async def press(self, row: Locator, name: str) -> None:
        """Choose an action from the menu of a row."""
        await row.get_by_role("button", name="Actions").click()
        await row.get_by_role("link", name=name).click()

    def row(self, text: str) -> Locator:
        """The row of a list that has this text."""
        return self.page.get_by_role("row").filter(has_text=text)
