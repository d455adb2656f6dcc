"""Adding and changing endpoints, and sending dead letters again."""

import pytest

from application.application import Application
from services.errors import BadInput
from services.webhooks import deliveries, endpoints
from services.webhooks.deliveries import NoSuchDelivery
from services.webhooks.endpoints import NoSuchEndpoint
from services.webhooks.events import EVENT_TYPES
from tests.support.webhooks import Receiver, add_endpoint, make_due, rows_of


async def test_dead_letters_are_sent_again_one_by_one_or_all_of_an_endpoint(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "AT_ONCE", 2)
    receiver.answers = [*[(500, {}, b"")] * 5, (200, {}, b"")]
    endpoint_id, _ = await add_endpoint(application, receiver.url)
    for _ in range(5):
        await application.webhooks.test(endpoint_id)
    await application.database.fetch("UPDATE webhook_deliveries SET attempts = 7")
    await application.webhook_sender.send_due()
    dead = await rows_of(application)
    assert [(row["status"], row["attempts"]) for row in dead] == [("DEAD", 8)] * 5
    await application.webhooks.send_again(dead[0]["id"])
    with pytest.raises(NoSuchDelivery):
        await application.webhooks.send_again(dead[0]["id"])
    await application.webhook_sender.send_due()
    statuses = [row["status"] for row in await rows_of(application)]
    assert statuses == ["DELIVERED", *["DEAD"] * 4]
    assert await application.webhooks.send_all_again(endpoint_id) == 4
    await application.webhook_sender.send_due()
    assert {row["status"] for row in await rows_of(application)} == {"DELIVERED"}
    assert len({received.id for received in receiver.got}) == 5


async def test_a_disabled_endpoint_gets_nothing_until_it_is_enabled(
    application: Application, receiver: Receiver
) -> None:
    endpoint_id, _ = await add_endpoint(application, receiver.url)
    await application.webhooks.test(endpoint_id)
    await application.webhooks.disable(endpoint_id)
    with pytest.raises(BadInput, match="disabled"):
        await application.webhooks.test(endpoint_id)
    await application.webhook_sender.send_due()
    assert receiver.got == []
    await application.webhooks.enable(endpoint_id)
    await make_due(application)
    await application.webhook_sender.send_due()
    assert receiver.types == ["webhook.test"]


async def test_a_deleted_endpoint_is_gone_with_its_deliveries(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "AT_ONCE", 2)
    endpoint_id, _ = await add_endpoint(application, receiver.url)
    for _ in range(5):
        await application.webhooks.test(endpoint_id)
    await application.webhooks.delete(endpoint_id)
    assert await rows_of(application) == []
    assert await application.webhook_endpoints.all() == []
    for act in (application.webhooks.rotate, application.webhooks.enable, application.webhooks.disable):
        with pytest.raises(NoSuchEndpoint):
            await act(endpoint_id)
    for act in (application.webhooks.delete, application.webhooks.test, application.webhooks.send_all_again):
        with pytest.raises(NoSuchEndpoint):
            await act(endpoint_id)


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_what_an_endpoint_cannot_be_is_refused(
    application: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong, field in (
        ({"event_types": ["trip.stolen"]}, "eventTypes"),
        ({"description": "x" * 201}, "description"),
        ({"description": "two\nlines"}, "description"),
    ):
        with pytest.raises(BadInput) as refused:
            await application.webhooks.add(url=receiver.url, **wrong)
        assert refused.value.field == (field,)
    all_types, _ = await application.webhooks.add(url=receiver.url, event_types=EVENT_TYPES)
    assert all_types.event_types == ()
    monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 1)
    with pytest.raises(BadInput, match="at most 1 endpoint"):
        await application.webhooks.add(url=receiver.url)
