"""Messages in the background: the switch on the board, and the service worker that shows them.

A browser's own push service cannot be reached from a test. The page therefore gets a subscription at the tests'
push service, and what arrives there is handed to the browser's service worker by its debugging protocol.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import CDPSession, expect
from playwright.async_api import Worker as PlaywrightWorker

from application.settings import Settings
from models.trip_life import TripStatus
from services.notifications.outgoing import OutgoingClient
from tests.browser.board_page import BoardPage
from tests.browser.conftest import OpenBoard
from tests.conftest import LiveServer, serving
from tests.support.database_rows import add_driver
from tests.support.push_service import HOST, SETTINGS, Device, PushService, push_service, text_of
from tests.support.waiting import PATIENCE_S, until

pytestmark = [
    # The pages cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]
# In place of the browser's own push service; all else is the browser's.
SUBSCRIPTION = """
(subscription) => {
  const KEPT = "test.push";
  const made = () => ({
    endpoint: subscription.endpoint,
    toJSON: () => subscription,
    unsubscribe: async () => { localStorage.removeItem(KEPT); return true; },
  });
  PushManager.prototype.subscribe = async (options) => {
    if (!options.userVisibleOnly || !options.applicationServerKey) throw new Error("no key");
    localStorage.setItem(KEPT, "yes");
    return made();
  };
  PushManager.prototype.getSubscription = async () => localStorage.getItem(KEPT) ? made() : null;
}
"""
DELIVERIES = 3
# A browser without a screen keeps no notifications.
RECORD = """
() => {
  self.shown = [];
  ServiceWorkerRegistration.prototype.showNotification = async (title, options) => {
    self.shown.push({ title, ...options });
  };
}
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update=SETTINGS)


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[PushService]:
    async with push_service() as service:
        yield service


@pytest_asyncio.fixture(loop_scope="session")
async def live_server(
    settings: Settings, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveServer]:
    async def resolve(_: str) -> list[str]:
        return ["127.0.0.1"]

    client = partial(OutgoingClient, private_hosts=[HOST], resolve=resolve)
    monkeypatch.setattr("application.application.OutgoingClient", client)
    monkeypatch.setattr("services.trips.push_worker.ASK_AGAIN_S", 1)
    async with serving(settings) as server:
        yield server


async def with_push(page: BoardPage, device: Device) -> None:
    """Let the page subscribe at the tests' push service, and be allowed to show messages."""
    subscription = {
        "endpoint": device.endpoint,
        "keys": {"p256dh": device.p256dh, "auth": text_of(device.auth)},
    }
    await page.page.context.grant_permissions(["notifications"], origin=page.url)
    await page.page.add_init_script(f"({SUBSCRIPTION})({json.dumps(subscription)})")
    await page.page.reload()


# Only a person's click may move the focus or open a window: what the worker asks the browser for is kept.
ASKED = """
() => {
  self.asked = [];
  WindowClient.prototype.focus = async function () { self.asked.push(["focus", this.url]); return this; };
  Clients.prototype.openWindow = async (address) => { self.asked.push(["open", address]); return null; };
}
"""
# The event as the browser makes it, but for the notification, which a browser without a screen does not keep.
CLICK = """
async (data) => {
  const closed = [];
  let work;
  const event = new ExtendableEvent("notificationclick");
  Object.defineProperty(event, "notification", { value: { data, close: () => closed.push(true) } });
  Object.defineProperty(event, "waitUntil", { value: (promise) => { work = promise; } });
  self.dispatchEvent(event);
  await work;
  return [closed.length, self.asked.splice(0)];
}
"""


class Worker:
    """The page's service worker: its messages come by the browser's debugging protocol."""

    def __init__(self, worker: PlaywrightWorker, debugger: CDPSession, origin: str) -> None:
        self._worker = worker
        self._debugger = debugger
        self._origin = origin
        self._registered: asyncio.Queue[str] = asyncio.Queue()
        debugger.on("ServiceWorker.workerRegistrationUpdated", self._note)

    def _note(self, event: dict[str, Any]) -> None:
        for registration in event["registrations"]:
            if not registration["isDeleted"]:
                self._registered.put_nowait(registration["registrationId"])

    async def shows(self, *messages: str) -> list[dict[str, Any]]:
        """Deliver messages, as the push service of the browser would, and return what is shown."""
        await self._debugger.send("ServiceWorker.enable")
        registration = await asyncio.wait_for(self._registered.get(), PATIENCE_S)
        return [await self._shows(registration, message) for message in messages]

    async def _shows(self, registration: str, message: str) -> dict[str, Any]:
        """Deliver it until it is shown: the debugging protocol does not tell whether it was delivered."""
        shown: list[dict[str, Any]] = []

        async def is_shown() -> bool:
            shown[:] = await self._worker.evaluate("self.shown")
            return bool(shown)

        for _ in range(DELIVERIES):
            await self._worker.evaluate(RECORD)
            await self._debugger.send(
                "ServiceWorker.deliverPushMessage",
                {"origin": self._origin, "registrationId": registration, "data": message},
            )
            with suppress(TimeoutError):
                await until(is_shown, PATIENCE_S / DELIVERIES)
                return shown[0]
        raise AssertionError(f"the worker shows nothing for {message}")

    async def clicked(self, data: dict[str, str] | None) -> tuple[int, list[list[str]]]:
        """Click a message with this data: how often it was closed, and what the worker asked the browser for."""
        await self._worker.evaluate(ASKED)
        closed, asked = await self._worker.evaluate(CLICK, data)
        return closed, asked


async def test_a_rider_switches_messages_on_and_hears_of_the_driver_while_the_page_is_closed(
    board: OpenBoard, live_server: LiveServer, service: PushService
) -> None:
    device, application = service.device(), live_server.application
    person = await board()
    page = person.page
    await with_push(person, device)
    await person.rider.sign_up("Robin")
    switch = page.get_by_role("switch", name="Notify me on this device")
    await person.rider.press("Account")
    await expect(switch).not_to_be_checked()
    # Permission is asked for, and the worker registered, only after the click.
    assert await page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    await switch.check()
    await expect(switch).to_be_checked()
    await until(lambda: page.context.service_workers)
    worker = Worker(page.context.service_workers[0], await page.context.new_cdp_session(page), live_server.url)
    accepted, gone, other = await worker.shows(
        '{"text": "ACCEPTED", "tripId": "a trip"}', '{"text": "OFFER_GONE", "tripId": "a trip"}', "nonsense"
    )
    assert (accepted["title"], accepted["tag"], accepted["renotify"]) == ("A driver is on the way", "a trip", True)
    assert accepted["data"] == {"address": "/#trip=a+trip&panel=RIDER"}
    assert other["data"] == {"address": "/"}
    assert (gone["title"], gone["tag"], gone["silent"]) == ("The request is gone", "a trip", True)
    assert other["title"] == "News about a trip"
    await person.look("account-notifications", person.rider)
    (row,) = await application.database.fetch("SELECT endpoint, session_id FROM push_subscriptions")
    assert row["endpoint"] == device.endpoint
    await page.get_by_role("dialog", name="Your account").get_by_role("button", name="Close").click()
    rider = await application.services.sessions.actor_of(await person.token("RIDER"))
    assert rider is not None
    trip = await application.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")
    await person.leave()
    await until(lambda: application.services.hub.topics == 0)
    driver = await add_driver(application.database)
    await application.services.trips.update(driver, trip_id=trip.id, status=TripStatus.STARTED)
    await until(lambda: device.texts == ["ACCEPTED"])

    assert device.read(device.got[0]) == {"text": "ACCEPTED", "tripId": str(trip.id)}

    await person.open()
    await person.rider.is_live("Robin")
    await person.rider.press("Log out")
    await until(lambda: page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => !all.length)"))
    assert await application.database.fetch("SELECT id FROM push_subscriptions") == []


async def test_the_switch_can_be_turned_off_and_a_server_without_a_key_has_none(
    board: OpenBoard, live_server: LiveServer, service: PushService
) -> None:
    device, application = service.device(), live_server.application
    person = await board()
    await with_push(person, device)
    await person.rider.sign_up("Robin")
    await person.rider.press("Account")
    switch = person.page.get_by_role("switch", name="Notify me on this device")
    await switch.check()
    await expect(switch).to_be_checked()
    await switch.uncheck()
    await expect(switch).not_to_be_checked()

    async def is_gone() -> bool:
        return not await application.database.fetch("SELECT id FROM push_subscriptions")

    await until(is_gone)
    await person.page.get_by_role("dialog", name="Your account").get_by_role("button", name="Close").click()
    application.services.push_subscriptions.public_key = None
    await person.rider.press("Account")
    await expect(person.page.get_by_role("form", name="Password")).to_be_visible()
    await expect(switch).to_have_count(0)


async def test_a_click_on_a_message_shows_its_trip_on_the_board_that_has_it(
    board: OpenBoard, live_server: LiveServer, service: PushService
) -> None:
    application = live_server.application
    person = await board(viewport={"width": 390, "height": 844})
    page, context = person.page, person.page.context
    await with_push(person, service.device())
    await person.rider.sign_up("Robin")
    await person.rider.press("Account")
    await page.get_by_role("switch", name="Notify me on this device").check()
    await page.get_by_role("dialog", name="Your account").get_by_role("button", name="Close").click()
    await until(lambda: context.service_workers)
    worker = Worker(context.service_workers[0], await context.new_cdp_session(page), live_server.url)
    rider = await application.services.sessions.actor_of(await person.token("RIDER"))
    assert rider is not None
    trips = [
        await application.services.trips.request(
            rider, pick_up_address=f"Place {number}", drop_off_address="There"
        )
        for number in range(3)
    ]
    wanted = page.locator(f'#panel-RIDER [data-trip="{trips[0].id}"]')
    await expect(wanted).to_have_count(1)
    address = f"/#trip={trips[0].id}&panel=RIDER"

    # Other tabs: another page of the server, and a board of nobody, which had the focus last.
    for path in ("/graphql", "/"):
        tab = await context.new_page()
        await tab.goto(f"{live_server.url}{path}")
        await expect(tab).to_have_title(re.compile("Taxirank|GraphiQL"))
    # On a phone the other person is shown, and the trip is below the edge.
    await page.locator("#tab-DRIVER-1").click()
    await expect(person.rider.root).to_be_hidden()
    assert await worker.clicked({"address": address}) == (1, [["focus", f"{live_server.url}/"]])
    await expect(wanted).to_be_focused()
    await expect(wanted).to_be_in_viewport()
    await expect(page.locator("#tab-RIDER")).to_have_attribute("aria-selected", "true")
    assert await tab.locator(".told .notice").count() == 0
    await person.look("push-clicked", person.rider)

    # A trip that is gone meanwhile is told, and not waited for in silence.
    gone = {"address": "/#trip=00000000-0000-4000-8000-000000000000&panel=RIDER"}
    assert (await worker.clicked(gone))[1] == [["focus", f"{live_server.url}/"]]
    await expect(page.locator(".told")).to_contain_text("is not shown here any more")
    assert await person.faults() == []
    await page.locator(".told").get_by_role("button", name="Dismiss").click()
    await expect(page.locator(".told .notice")).to_have_count(0)
    # Messages of before this version have no address.
    assert (await worker.clicked(None))[1] == [["focus", f"{live_server.url}/"]]

    # No board is open: the address in a new tab leads to the log-in, and then to the trip.
    await tab.close()
    await page.goto(f"{live_server.url}/graphql")
    assert await worker.clicked({"address": address}) == (1, [["open", address]])
    new = BoardPage(await context.new_page(), url=live_server.url)
    await new.page.goto(f"{live_server.url}{address}")
    await expect(new.page.locator(".told")).to_contain_text("Log in to see the trip.")
    await new.rider.log_in("Robin")
    await expect(new.page.locator(f'#panel-RIDER [data-trip="{trips[0].id}"]')).to_be_focused()
    await expect(new.page.locator(".told .notice")).to_have_count(0)
    await expect(new.page).to_have_url(f"{live_server.url}/")
    assert new.errors == []
