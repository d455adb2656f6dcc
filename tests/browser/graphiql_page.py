import json

from playwright.async_api import Locator, Page, expect

from tests.browser.watched_page import WatchedPage


class GraphiQLPage(WatchedPage):
    """What a person does in GraphiQL."""

    def __init__(self, page: Page, *, url: str) -> None:
        super().__init__(page, url=url)

    async def open(self) -> None:
        await self.go("/graphql")
        await self._is_ready()

    async def reload(self) -> None:
        await self.page.reload()
        await self._is_ready()

    async def _is_ready(self) -> None:
        # The editors appear one after the other, and the schema explorer last.
        for editor in (self.operation, self.variables, self.result):
            await expect(editor).to_be_attached()
        await expect(self.page.locator(".graphiql-spinner")).to_have_count(0)

    @property
    def operation(self) -> Locator:
        return self.page.locator(".graphiql-editors .graphiql-editor .view-lines").first

    @property
    def variables(self) -> Locator:
        return self.page.locator(".graphiql-editor-tool .view-lines").first

    @property
    def result(self) -> Locator:
        return self.page.locator(".graphiql-response .view-lines")

    async def choose_tab(self, name: str) -> None:
        await self.page.get_by_role("tab").get_by_title(name, exact=True).click()
        await expect(self.operation).to_contain_text(name)

    async def put_id(self, trip_id: str) -> None:
        """Put the id of a trip into the variables, in place of its placeholder."""
        await self.variables.get_by_text("the_id_of_a_trip").dblclick()
        await self.page.keyboard.insert_text(trip_id)

    async def write(self, operation: str) -> None:
        """Type an operation into a new tab."""
        await self.page.get_by_role("button", name="New tab").click()
        await self.operation.click()
        await self.page.keyboard.type(operation)

    async def run(self, operation: str | None = None) -> None:
        """Press ▶, and choose from its menu where the tab has several operations."""
        # After a change of the tab, the button belongs to the previous tab for a moment.
        kind = "[aria-haspopup]" if operation else ":not([aria-haspopup])"
        await self.page.locator(f".graphiql-execute-button{kind}").click()
        if operation:
            await self.page.get_by_role("menuitem", name=operation).click()

    async def shows(self, text: str) -> None:
        await expect(self.result).to_contain_text(text)

    async def result_json(self) -> dict:
        """The whole text of the result pane."""
        return json.loads(await self._text("response.json"))

    async def operation_text(self) -> str:
        """The whole text of the operation's editor."""
        return await self._text("operation.graphql")

    async def _text(self, name: str) -> str:
        """The whole text of an editor, of which the page draws only the visible part."""
        find = f"(model) => model.uri.path.endsWith('{name}')"
        return await self.page.evaluate(f"__MONACO.editor.getModels().find({find}).getValue()")

    async def tabs_are_stored(self) -> None:
        """GraphiQL writes its tabs into the browser's storage half a second after a change."""
        await self.page.evaluate(
            """() => new Promise((done) => {
                const look = () => localStorage.getItem("graphiql:tabState") ? done() : setTimeout(look, 20);
                look();
            })"""
        )

    async def is_dark(self) -> bool:
        brightness = await self.page.evaluate(
            "Number(getComputedStyle(document.querySelector('.graphiql-container')).backgroundColor.match(/\\d+/)[0])"
        )
        return brightness < 128

    async def screenshot(self, name: str) -> None:
        """Draw the operation and its result, as ``docs/images/graphiql.png`` shows them (``--screenshots``)."""
        await self.page.get_by_role("button", name="Hide editor tools").click()
        await self.page.mouse.move(0, 0)
        await expect(self.page.locator(".scrollbar.visible")).to_have_count(0)
        await self.picture(name, full_page=False)
