"""Push subscriptions: which are accepted, whose they are, and that they end with their session."""

from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.values import Role
from models.visibility import Actor
from services.accounts.push_subscriptions import PushSubscriptionInvalid, PushUnavailable
from services.errors import SessionEnded
from services.staff.staff import StaffMember
from tests.support.attacks import Attack
from tests.support.database_rows import add_person, add_rider
from tests.support.push_service import SETTINGS, Device, PushService, text_of

AUTH = text_of(b"\1" * 16)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update=SETTINGS)


@pytest.fixture
async def application(settings: Settings) -> AsyncGenerator[Application]:
    # Nothing is sent, so nothing has to listen.
    application = Application(settings, push_client=PushService().client())
    async with running(application):
        yield application


def a_device(number: int = 1) -> Device:
    return Device(f"http://push.test/{number}")


async def endpoints(application: Application) -> list[str]:
    return [row["endpoint"] for row in await application.database.fetch("SELECT * FROM push_subscriptions")]


async def log_out(application: Application, actor: Actor) -> None:
    await application.services.sessions.end(actor)


async def log_out_everywhere(application: Application, actor: Actor) -> None:
    await application.services.sessions.end(actor, everywhere=True)


async def change_the_password(application: Application, actor: Actor) -> None:
    rows = await application.database.fetch("SELECT username FROM users WHERE id = $1", actor.id)
    await application.services.recovery.set_password(
        username=rows[0]["username"], password="correct-horse-battery-9"
    )


async def expire(application: Application, actor: Actor) -> None:
    old = application.database.sql.ago(application.settings.session_ttl_s + 1)
    await application.database.fetch(f"UPDATE sessions SET used = {old}")
    await application.services.sessions.remove_ended()


async def deactivate(application: Application, actor: Actor) -> None:
    staff = await application.services.accounts.create_staff(username="boss", password="correct-horse-battery-9")
    session = await application.services.sessions.begin(staff)
    await application.staff.deactivate(StaffMember(session.actor), user_id=actor.id)


@pytest.mark.parametrize("end", [log_out, log_out_everywhere, change_the_password, expire, deactivate])
@pytest.mark.attack("abuse")
async def test_a_subscription_ends_with_its_session(
    application: Application, end: Callable[[Application, Actor], Awaitable[None]]
) -> None:
    actor = await add_rider(application.database)
    await a_device().register(application, actor)
    await end(application, actor)
    assert await endpoints(application) == []


@pytest.mark.parametrize("backend", ["embedded"])
@pytest.mark.attack("abuse")
async def test_only_plausible_subscriptions_on_public_hosts_are_accepted(
    application: Application, attempts: Attack
) -> None:
    actor = await add_rider(application.database)
    good = a_device()
    wrong = [
        ("https://127.0.0.1/1", good.p256dh, AUTH),
        ("https://169.254.169.254/latest", good.p256dh, AUTH),
        ("http://push.example/1", good.p256dh, AUTH),
        ("https://push.example:22/1", good.p256dh, AUTH),
        ("nonsense", good.p256dh, AUTH),
        (good.endpoint + "/" + "a" * 3000, good.p256dh, AUTH),
        (good.endpoint, "", AUTH),
        (good.endpoint, "ü" * 87, AUTH),
        (good.endpoint, good.p256dh[:-4], AUTH),
        (good.endpoint, good.p256dh * 2, AUTH),
        # Not on the curve: an invalid point would tell about the key of the message.
        (good.endpoint, text_of(b"\4" + b"\1" * 64), AUTH),
        (good.endpoint, text_of(b"\0" * 65), AUTH),
        (good.endpoint, good.p256dh, ""),
        (good.endpoint, good.p256dh, text_of(b"\1" * 17)),
        (good.endpoint, good.p256dh, "\ud800"),
    ]
    for endpoint, p256dh, auth in wrong:
        attempts.add()
        with pytest.raises(PushSubscriptionInvalid):
            await application.services.push_subscriptions.register(
                actor, endpoint=endpoint, p256dh=p256dh, auth=auth
            )
    assert await endpoints(application) == []
    # With padding, as some libraries write it.
    await application.services.push_subscriptions.register(
        actor, endpoint=good.endpoint, p256dh=good.p256dh + "=", auth=AUTH + "=="
    )
    assert await endpoints(application) == [good.endpoint]


async def test_registering_again_changes_the_keys_and_the_session(application: Application) -> None:
    first, second = [await add_rider(application.database) for _ in range(2)]
    await a_device().register(application, first)
    again = a_device()
    await again.register(application, second)
    (row,) = await application.database.fetch("SELECT * FROM push_subscriptions")
    assert (str(row["session_id"]), row["p256dh"]) == (str(second.session_id), again.p256dh)


@pytest.mark.attack("abuse")
async def test_a_subscription_is_removed_by_its_user_alone(application: Application) -> None:
    mine, other = [await add_rider(application.database) for _ in range(2)]
    device = a_device()
    await device.register(application, mine)
    await application.services.push_subscriptions.remove(other, endpoint=device.endpoint)
    assert await endpoints(application) == [device.endpoint]
    for _ in range(2):
        await application.services.push_subscriptions.remove(mine, endpoint=device.endpoint)
    assert await endpoints(application) == []


@pytest.mark.attack("abuse")
async def test_nothing_is_registered_or_removed_in_a_session_that_has_ended(application: Application) -> None:
    actor = await add_rider(application.database)
    device = a_device()
    await device.register(application, actor)
    await application.database.fetch("DELETE FROM sessions WHERE id = $1", actor.session_id)
    with pytest.raises(SessionEnded):
        await device.register(application, actor)
    with pytest.raises(SessionEnded):
        await application.services.push_subscriptions.remove(actor, endpoint=device.endpoint)
    assert await endpoints(application) == []


@pytest.mark.parametrize("backend", ["embedded"])
async def test_without_a_key_nothing_is_registered_and_no_key_is_told(settings: Settings) -> None:
    application = Application(settings.model_copy(update=dict.fromkeys(SETTINGS)))
    async with running(application):
        actor = await add_person(application.database, Role.DRIVER)
        with pytest.raises(PushUnavailable):
            await a_device().register(application, actor)
        assert application.services.push_subscriptions.public_key is None
