"""What pages of other origins can do in a real browser while the user is logged in.

Another port of the server's host is the same site: the browser sends the session's cookie with every request of
such a page. Another address is another site.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page

from application.settings import Settings
from tests.browser.conftest import ANOTHER_SITE, REBOUND, NewContext
from tests.browser.page_server import serving_pages
from tests.conftest import LiveServer, SignUp
from tests.support.api import LOG_IN, PASSWORD, Api

pytestmark = [
    pytest.mark.attack("cross-site"),
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

REQUEST = (
    'mutation { createTrip(input: { pickUpAddress: "A", dropOffAddress: "B" }) { trip { id } errors { code } } }'
)
MY_TRIPS = "subscription { myTripsUpdated { __typename } }"


@dataclass
class Street:
    """A browser of a logged-in user, and the pages around it."""

    server: str
    listed: str
    same_site: str
    other_site: str
    context: BrowserContext
    rider: Api
    token: str
    errors: list[str] = field(default_factory=list)

    async def visit(self, origin: str) -> Page:
        """Open a page there, with the helpers that the attacks share."""
        page = await self.context.new_page()
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        await page.goto(f"{origin}/page")
        await page.evaluate(TOOLS, {"server": self.server, "REQUEST": REQUEST, "MY_TRIPS": MY_TRIPS})
        return page

    async def is_unharmed(self) -> None:
        """Fail unless the user is still logged in and has no trip."""
        assert await self.rider.data("{ me { role } }") == {"role": "RIDER"}
        assert await self.rider.data("{ trips { nodes { id } } }") == {"nodes": []}


TOOLS = """(given) => {
    Object.assign(window, given);
    const operations = JSON.stringify({ query: REQUEST });
    window.address = (query) => `${server}/graphql?query=${encodeURIComponent(query)}`;
    window.form = () => {
        const data = new FormData();
        data.append("operations", operations);
        data.append("map", "{}");
        return data;
    };
    window.post = async (type, init) => {
        const headers = type ? { "Content-Type": type } : {};
        const options = { method: "POST", body: operations, credentials: "include", headers, ...init };
        const response = await fetch(`${server}/graphql`, options);
        return response.type === "opaque" ? "opaque" : await response.json();
    };
    window.graphql = JSON.stringify({ query: REQUEST });
    window.type = (name) => ({ "Content-Type": name });
    window.silently = (init) => outcome(post("", { mode: "no-cors", ...init }));
    window.get = (query, init) =>
        outcome(fetch(address(query), { credentials: "include", ...init }).then(({ type }) => type));
    window.outcome = (promise) => promise.then((value) => value, (error) => error.name);
    // How an element that loads something, or a frame or a window, ends.
    window.load = (name, attributes) => new Promise((resolve) => {
        const element = Object.assign(document.createElement(name), attributes);
        element.onload = () => resolve("load");
        element.onerror = () => resolve("error");
        document.body.append(element);
    });
    window.submit = (enctype, fields) => new Promise((resolve) => {
        const frame = Object.assign(document.createElement("iframe"), { name: `to-${Math.random()}` });
        const form = document.createElement("form");
        Object.assign(form, { method: "POST", action: `${server}/graphql`, enctype, target: frame.name });
        for (const [name, value] of Object.entries(fields)) {
            form.append(Object.assign(document.createElement("textarea"), { name, value }));
        }
        document.body.append(frame, form);
        frame.onload = () => resolve("answered");
        form.submit();
    });
    window.socket = () => new Promise((resolve) => {
        const socket = new WebSocket(`${server.replace("http", "ws")}/graphql`, "graphql-transport-ws");
        socket.onopen = () => socket.send(JSON.stringify({ type: "connection_init" }));
        socket.onmessage = ({ data }) => (resolve(JSON.parse(data).type), socket.close());
        socket.onclose = ({ code }) => resolve(code);
    });
    window.events = () => new Promise((resolve) => {
        const source = new EventSource(address(MY_TRIPS), { withCredentials: true });
        source.addEventListener("next", ({ data }) => (resolve(JSON.parse(data)), source.close()));
        source.onerror = () => (resolve("error"), source.close());
    });
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def listed() -> AsyncIterator[str]:
    """The origin of pages that may call the API."""
    async with serving_pages() as origin:
        yield origin


@pytest.fixture
def settings(settings: Settings, listed: str) -> Settings:
    """Settings with one listed origin."""
    return settings.model_copy(update={"allowed_origins": (listed,)})


@pytest_asyncio.fixture(loop_scope="session")
async def street(
    listed: str, live_server: LiveServer, person: SignUp, new_context: NewContext
) -> AsyncIterator[Street]:
    """A logged-in user, and pages of other origins."""
    rider = await person("RIDER")
    log_in = await rider.data(LOG_IN, username=rider.user["username"], password=PASSWORD, issueToken=True)
    async with serving_pages() as same_site, serving_pages(ANOTHER_SITE) as other_site:
        context = await new_context()
        ((name, value),) = rider.http.cookies.items()
        await context.add_cookies(
            [{"name": name, "value": value, "url": live_server.url, "httpOnly": True, "sameSite": "Lax"}]
        )
        yield Street(live_server.url, listed, same_site, other_site, context, rider, log_in["token"])
        await context.close()


ATTACKS: dict[str, tuple[str, Any]] = {
    # The page's attempts, and what it sees of the answers: mostly not even whether there was one.
    "JSON": ("outcome(post('application/json'))", "TypeError"),
    "JSON by no-cors, which makes it text": ("silently({ headers: type('application/json') })", "TypeError"),
    "text": ("silently({ headers: type('text/plain') })", "TypeError"),
    "text that can be read": ("outcome(post('text/plain'))", "TypeError"),
    "text with a parameter": ("silently({ headers: type('text/plain; application/json') })", "TypeError"),
    "urlencoded": ("silently({ body: new URLSearchParams({ query: REQUEST }) })", "TypeError"),
    "multipart": ("silently({ body: form() })", "TypeError"),
    "multipart that can be read": ("outcome(post('', { body: form() }))", "TypeError"),
    "multipart with the header that forces a preflight": (
        "outcome(post('', { body: form(), headers: { 'GraphQL-Require-Preflight': '1' } }))",
        "TypeError",
    ),
    "no type": ("silently({ body: new Blob([graphql]) })", "TypeError"),
    "another method": ("outcome(post('application/json', { method: 'PUT' }))", "TypeError"),
    "beacon": ("navigator.sendBeacon(`${server}/graphql`, graphql)", True),
    "beacon of a form": ("navigator.sendBeacon(`${server}/graphql`, form())", True),
    "GET": ("get(REQUEST, { mode: 'no-cors' })", "TypeError"),
    "query": ("get('{ me { id } }')", "TypeError"),
    "picture": ("load('img', { src: address(REQUEST) })", "error"),
    "script": ("load('script', { src: address('{ me { id } }') })", "error"),
    "style": ("load('link', { rel: 'stylesheet', href: address('{ me { id } }') })", "error"),
    "form": ("submit('application/x-www-form-urlencoded', { query: REQUEST })", "answered"),
    "form of text": ("submit('text/plain', { [graphql.slice(0, -1) + ',\"x\":\"']: '\"}' })", "answered"),
    "form with parts": ("submit('multipart/form-data', { operations: graphql, map: '{}' })", "answered"),
    "socket": ("socket()", 1006),
    "events": ("events()", "error"),
    "events by POST": ("silently({ headers: { Accept: 'text/event-stream' } })", "TypeError"),
}  # fmt: skip


async def test_a_foreign_page_changes_nothing_and_reads_nothing(street: Street) -> None:
    for origin in (street.same_site, street.other_site):
        page = await street.visit(origin)
        for name, (attack, seen) in ATTACKS.items():
            assert await page.evaluate(attack) == seen, name
        await street.is_unharmed()


async def test_a_page_without_an_origin_changes_nothing_and_reads_nothing(street: Street) -> None:
    page = await street.visit(street.same_site)
    await page.evaluate("load('iframe', { sandbox: 'allow-scripts allow-forms', src: '/sandboxed' })")
    frame = page.frames[1]
    assert await frame.evaluate("self.origin") == "null"
    await frame.evaluate(TOOLS, {"server": street.server, "REQUEST": REQUEST, "MY_TRIPS": MY_TRIPS})
    for name, (attack, seen) in ATTACKS.items():
        assert await frame.evaluate(attack) == seen, name
    await street.is_unharmed()


async def test_a_foreign_page_can_neither_submit_forms_to_our_pages_nor_frame_them_nor_hold_their_window(
    street: Street,
) -> None:
    page = await street.visit(street.same_site)
    async with page.expect_navigation() as navigation:
        await page.evaluate(
            """() => {
                const form = document.createElement("form");
                Object.assign(form, { method: "POST", action: `${server}/graphql` });
                form.enctype = "multipart/form-data";
                for (const [name, value] of [["operations", graphql], ["map", "{}"]])
                    form.append(Object.assign(document.createElement("textarea"), { name, value }));
                document.body.append(form);
                form.submit();
            }"""
        )
    response = await navigation.value
    assert response is not None
    assert "cookie" in await response.request.all_headers(), "same site: the browser sends the session"
    assert response.status == 403
    await street.is_unharmed()

    page = await street.visit(street.same_site)
    await page.evaluate("load('iframe', { src: `${server}/graphql` })")
    assert page.frames[1].url.startswith("chrome-error:")
    async with street.context.expect_page() as opened:
        await page.evaluate("() => { window.theirs = open(`${server}/graphql`); }")
    await (await opened.value).wait_for_load_state()
    assert await page.evaluate("theirs.closed") is True


async def test_a_host_name_pointed_at_the_server_reads_nothing(street: Street) -> None:
    page = await street.context.new_page()
    url = f"http://{REBOUND}:{urlsplit(street.server).port}"
    for path in ("/graphql", "/metrics", "/healthz"):
        response = await page.goto(url + path)
        assert response is not None
        assert response.status == 421
        assert "cookie" not in await response.request.all_headers()
    await page.evaluate(TOOLS, {"server": url, "REQUEST": REQUEST, "MY_TRIPS": MY_TRIPS})
    # The answer's policy forbids such a page everything.
    assert await page.evaluate("outcome(post('application/json'))") == "TypeError"
    await street.is_unharmed()


async def answers(street: Street) -> int:
    """How many requests of `/graphql` have been answered with 200."""
    metrics = (await street.rider.http.get("/metrics")).text
    (line,) = (line for line in metrics.splitlines() if 'seconds_count{path="/graphql",status="200"}' in line)
    return round(float(line.split()[-1]))


async def test_a_page_of_a_listed_origin_uses_the_session_or_a_token_with_one_preflight(street: Street) -> None:
    page = await street.visit(street.listed)
    before = await answers(street)
    for _ in range(3):
        created = await page.evaluate("post('application/json')")
        assert created["data"]["createTrip"]["errors"] == []
    assert await answers(street) - before == 4, "one preflight and three requests"
    sent = await page.evaluate("post('', { body: form(), headers: { 'GraphQL-Require-Preflight': '1' } })")
    assert sent["data"]["createTrip"]["errors"] == []
    assert (await page.evaluate("post('', { body: form() })"))["data"]["createTrip"]["errors"] == []
    me = "outcome(fetch(address('{ me { role } }'), {}).then((response) => response.json()))"
    assert await page.evaluate(me.replace("{})", "{ credentials: 'include' })")) == {
        "data": {"me": {"role": "RIDER"}}
    }
    assert await page.evaluate(me) == {"data": {"me": None}}
    bearer = f"{{ headers: {{ Authorization: 'Bearer {street.token}' }} }})"
    assert await page.evaluate(me.replace("{})", bearer)) == {"data": {"me": {"role": "RIDER"}}}
    assert await page.evaluate("socket()") == "connection_ack"
    assert await page.evaluate("events()") == {"data": {"myTripsUpdated": {"__typename": "MyTripsSnapshot"}}}
    assert street.errors == []
