"""Webhooks in the admin, as staff use them, with a receiver on this machine."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from application.settings import Settings
from tests.browser.conftest import OpenAdmin
from tests.conftest import LiveServer
from tests.support.staff import make_staff
from tests.support.waiting import until
from tests.support.webhooks import Receiver, allowing, receiving

pytestmark = [
    # The pages cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    return allowing(settings, receiver)


async def test_staff_add_an_endpoint_copy_its_secret_test_it_and_send_a_dead_letter_again(
    admin: OpenAdmin, live_server: LiveServer, receiver: Receiver
) -> None:
    await make_staff(live_server.application, "stella")
    staff = await admin()
    await staff.log_in("stella")

    async def look(name: str) -> None:
        for device, size in (("phone", {"width": 390, "height": 844}), ("desk", {"width": 1440, "height": 900})):
            await staff.page.set_viewport_size(size)
            for scheme in ("dark", "light"):
                await staff.page.emulate_media(color_scheme=scheme)
                await expect(staff.page.locator("html")).to_have_attribute("data-bs-theme", scheme)
                await staff.picture(f"admin-{name}-{device}-{scheme}")
        assert await staff.faults() == [], name

    await staff.choose("Webhooks")
    await staff.page.get_by_role("link", name="New Webhook endpoint").click()
    await staff.shows("Webhooks")
    await look("new-webhook")
    await staff.page.get_by_label("Address").fill(receiver.url)
    await staff.page.get_by_label("Description").fill("Billing")
    await staff.page.get_by_role("button", name="Save", exact=True).click()
    shown = staff.page.get_by_text("The secret, which is shown only now: whsec_")
    secret = (await shown.inner_text()).partition(": ")[2]
    await staff.picture("admin-webhook-secret")
    # The next page does not have it.
    await staff.choose("Webhooks")
    await expect(staff.row("Billing")).to_be_visible()
    await expect(shown).to_have_count(0)
    await look("webhooks")
    receiver.answers = [(500, {}, b"not now"), (200, {}, b"")]
    await expect(staff.row("Billing")).to_contain_text("Enabled")
    await staff.press(staff.row("Billing"), "Send a test event")
    await expect(staff.dialogue).to_contain_text(receiver.url)
    await look("webhook-dialogue")
    await staff.dialogue.get_by_role("button", name="Send").click()
    await expect(staff.page.get_by_text("The test event is on its way.")).to_be_visible()
    database = live_server.application.database
    # Not only received: the answer would be dropped by a delivery that has ended.
    await until(lambda: database.fetch("SELECT id FROM webhook_deliveries WHERE last_status = 500"))
    await database.fetch("UPDATE webhook_deliveries SET status = 'DEAD', ended = due")
    await staff.choose("Webhook deliveries")
    await expect(staff.row("webhook.test")).to_contain_text("500")
    await expect(staff.row("webhook.test")).to_contain_text("Dead letter")
    await look("webhook-deliveries")
    await staff.press(staff.row("webhook.test"), "Send again")
    await expect(staff.dialogue).to_have_accessible_name("Send this webhook again?")
    await expect(staff.dialogue).to_contain_text(f"127.0.0.1:{receiver.port}")
    await staff.dialogue.get_by_role("button", name="Send").click()
    await expect(staff.page.get_by_text("The webhook is sent again.")).to_be_visible()
    await until(lambda: len(receiver.got) == 2)
    assert receiver.got[1].verified(secret)["type"] == "webhook.test"
