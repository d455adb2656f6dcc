"""Webhooks in the admin: endpoints with their secrets, deliveries, dead letters, and the trail."""

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest

from application.settings import Settings
from models.trip_life import TripStatus
from tests.conftest import LiveServer
from tests.support.database_rows import add_rider, add_trip
from tests.support.staff import StaffBrowser
from tests.support.waiting import until
from tests.support.webhooks import Receiver, add_endpoint, allowing, make_due, receiving, rows_of

SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    return allowing(settings, receiver)


async def trail(server: LiveServer) -> list[tuple[str, str]]:
    rows = await server.application.database.fetch(
        "SELECT action, detail FROM staff_actions WHERE action <> 'LOG_IN' ORDER BY id"
    )
    return [(row["action"], row["detail"]) for row in rows]


def dialogue(page: str, name: str) -> str:
    """The content of a button's dialogue, as the browser shows it."""
    (form,) = re.findall(rf'data-sa-form="([^"]*)"[^>]*data-sa-name="{name}"', page, re.DOTALL)[:1]
    return unescape(form)


async def add(staff: StaffBrowser, receiver: Receiver, **fields: str | list[str]) -> tuple[str, str]:
    """An endpoint that staff add; its id and its secret."""
    answer = await staff.form("/webhook/create", {"url": receiver.url, "description": "Billing", **fields})
    assert answer.status_code == 303, answer.text
    (secret,) = set(SECRET.findall(unescape((await staff.get("/webhook/list")).text)))
    (endpoint_id,) = await staff.rows("webhook")
    return endpoint_id, secret


@pytest.mark.parametrize("backend", ["embedded", "production"])
async def test_staff_add_an_endpoint_see_its_secret_once_and_send_a_test_event(
    live_server: LiveServer, staff: StaffBrowser, receiver: Receiver
) -> None:
    endpoint_id, secret = await add(staff, receiver, event_types=["trip.completed", "trip.cancelled"])
    page = (await staff.get("/webhook/detail", pk=endpoint_id)).text
    assert not SECRET.search(unescape(page))
    assert not SECRET.search(unescape((await staff.get("/webhook/list")).text))
    assert "trip.completed, trip.cancelled" in page
    assert ">Enabled</span>" in page
    assert f"<dd>{receiver.url}</dd>" in dialogue(page, "test")
    assert "whoever listens must change it within that time" in dialogue(page, "rotate")
    assert await staff.rows("webhook", filter="state__in=ENABLED") == [endpoint_id]
    assert await staff.rows("webhook", filter="state__in=DISABLED,GONE,FAILED,FAILING") == []
    assert (await staff.row_action("webhook", "test", endpoint_id)).status_code == 200
    # The worker sends it by itself.
    await receiver.asked.wait()
    assert receiver.got[0].verified(secret)["type"] == "webhook.test"
    await until(lambda: live_server.application.counters.webhooks_delivered == 1)
    (delivery,) = await staff.rows("webhook-delivery")
    deliveries = (await staff.get("/webhook-delivery/list")).text
    assert "webhook.test" in deliveries
    assert f"127.0.0.1:{receiver.port}" in deliveries
    assert (await staff.get("/webhook-delivery/detail", pk=delivery)).status_code == 200
    host = f"127.0.0.1:{receiver.port} {endpoint_id}"
    assert await trail(live_server) == [("ADD_WEBHOOK", host), ("TEST_WEBHOOK", host)]


async def test_an_address_that_webhooks_must_not_go_to_is_refused_beside_the_field(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    for url in ("https://169.254.169.254/", "https://[::1]/", "http://taxi.example/"):
        answer = await staff.form("/webhook/create", {"url": url, "description": ""})
        assert answer.status_code == 422
        assert "Nothing can be sent to this address" in answer.text
    assert await staff.rows("webhook") == []
    assert await trail(live_server) == []


async def test_staff_rotate_disable_enable_and_delete_an_endpoint_and_the_trail_has_it(
    live_server: LiveServer, staff: StaffBrowser, receiver: Receiver
) -> None:
    endpoint_id, former = await add(staff, receiver)
    for action in ("rotate", "disable", "enable"):
        assert (await staff.row_action("webhook", action, endpoint_id)).status_code == 200, action
        if action == "rotate":
            (secret,) = set(SECRET.findall(unescape((await staff.get("/webhook/list")).text)))
            assert secret != former
        if action == "disable":
            assert "disabled" in (await staff.get("/webhook/list")).text
            # The page does not offer it, and a request for it is refused.
            assert (await staff.row_action("webhook", "test", endpoint_id)).status_code == 400
    assert (await staff.row_action("webhook", "delete-endpoint", endpoint_id)).status_code == 200
    assert await staff.rows("webhook") == []
    assert (await staff.row_action("webhook", "rotate", endpoint_id)).status_code == 400
    assert [action for action, _ in await trail(live_server)] == [
        "ADD_WEBHOOK",
        "ROTATE_WEBHOOK",
        "DISABLE_WEBHOOK",
        "ENABLE_WEBHOOK",
        "DELETE_WEBHOOK",
    ]
    assert secret not in str(await trail(live_server))


@pytest.mark.attack("abuse")
async def test_dead_letters_are_listed_with_the_escaped_answer_and_sent_again(
    live_server: LiveServer, staff: StaffBrowser, receiver: Receiver
) -> None:
    application = live_server.application
    receiver.answers = [(500, {}, b"<script>alert(1)</script>" + b"x" * 10_000)] * 2 + [(200, {}, b"")]
    endpoint_id, _ = await add_endpoint(application, receiver.url)
    await application.webhook_sender.stop()
    for _ in range(2):
        await application.webhooks.test(endpoint_id)
    await application.database.fetch("UPDATE webhook_deliveries SET attempts = 7")
    await application.webhook_sender.send_due()
    dead = await staff.rows("webhook-delivery")
    assert len(dead) == 2
    page = (await staff.get("/webhook-delivery/detail", pk=dead[0])).text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert len(page) < 100_000
    again = dialogue(page, "resend")
    for fact in ("webhook.test", f"127.0.0.1:{receiver.port}", "500"):
        assert f"<dd>{fact}</dd>" in again
    assert await staff.rows("webhook-delivery", filter="status__in=DEAD") == dead
    assert (await staff.row_action("webhook-delivery", "resend", dead[0])).status_code == 200
    assert (await staff.row_action("webhook-delivery", "resend", dead[0])).status_code == 400
    assert (await staff.row_action("webhook", "resend", str(endpoint_id))).status_code == 200
    await make_due(application)
    await application.webhook_sender.send_due()
    assert {row["status"] for row in await rows_of(application)} == {"DELIVERED"}
    (first, one), (second, every) = await trail(live_server)
    assert first == second == "RESEND_WEBHOOK"
    assert one.endswith(f"number {dead[0]}")
    assert every.endswith(" all")


@pytest.mark.attack("access")
async def test_a_rider_reaches_nothing_of_it(
    live_server: LiveServer, stranger: StaffBrowser, receiver: Receiver
) -> None:
    endpoint_id, _ = await add_endpoint(live_server.application, receiver.url)
    for path in ("/webhook/list", "/webhook-delivery/list", f"/webhook/detail?pk={endpoint_id}"):
        assert (await stranger.get(path)).status_code == 303, path
    rider = await add_rider(live_server.application.database)
    await add_trip(live_server.application.database, rider, status=TripStatus.REQUESTED)
    answer = await stranger.form(f"/_api/webhook/row-action?name=rotate&pk={endpoint_id}", {})
    assert answer.status_code in (303, 401, 403)
