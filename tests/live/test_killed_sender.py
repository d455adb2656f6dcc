"""A server that is killed in the middle of sending: another process sends again, and not too often."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from application.application import Application
from application.settings import Settings
from services.database.connections import Database
from services.notifications import letters
from services.trips import push_rows
from services.webhooks import deliveries
from tests.support.api import Api
from tests.support.mail_servers import Post
from tests.support.processes import ServerProcess, server_process
from tests.support.push_service import SETTINGS as PUSH
from tests.support.push_service import push_service, reach_push_services_on_loopback, text_of
from tests.support.waiting import until
from tests.support.webhooks import add_endpoint, allowing, receiving

TABLES = ("webhook_deliveries", "push_changes", "push_messages", "letters")
REGISTER = """mutation ($input: PushSubscriptionInput!) {
    registerPushSubscription(input: $input) { errors { code } }
}"""


@asynccontextmanager
async def server(settings: Settings, **more: Any) -> AsyncGenerator[ServerProcess]:
    """A process with these settings, ready."""
    shared = {"redis_url": settings.redis_url, "redis_prefix": settings.redis_prefix} if settings.redis_url else {}
    async with server_process(
        database_url=settings.database_url,
        media_url=settings.media_url,
        mail_folder=settings.mail_folder,
        **shared,
        **more,
    ) as process:
        await process.ready()
        yield process


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncGenerator[Database]:
    """The database, while no server uses it."""
    database = Database(settings)
    await database.connect()
    yield database
    await database.disconnect()


async def advance(settings: Settings, seconds: int) -> None:
    """Make due what would be so many seconds after now. The other times stay."""
    async with database_of(settings) as database:
        for table in TABLES:
            await database.fetch(
                f"UPDATE {table} SET due = {database.sql.ago(0)} WHERE due < {soon(database, seconds)}"
            )


def soon(database: Database, seconds: int) -> str:
    """SQL for the time so many seconds from now."""
    return database.sql.ago(-seconds)


async def left(settings: Settings, table: str, seconds: int) -> int:
    """How many rows another process takes up in the first so many seconds from now."""
    async with database_of(settings) as database:
        rows = await database.fetch(
            f"SELECT count(*) AS number FROM {table} WHERE due < {soon(database, seconds)}"
        )
    return rows[0]["number"]


async def test_a_webhook_of_a_killed_process_comes_again_with_the_same_id_by_another(settings: Settings) -> None:
    async with receiving() as receiver:
        receiver.hangs = True
        application = Application(allowing(settings, receiver))
        await application.database.connect()
        _, secret = await add_endpoint(application, receiver.url)
        await application.outgoing.close()
        await application.database.disconnect()
        hosts = f"127.0.0.1:{receiver.port}"
        async with server(settings, webhook_private_hosts=hosts) as killed, Api(killed.url) as rider:
            await rider.sign_up("RIDER")
            trip = await rider.create_trip()
            await receiver.asked.wait()
            killed.kill()
        # Nobody takes it up as long as the killed process could still be sending it.
        assert await left(settings, "webhook_deliveries", deliveries.CLAIM_S // 2) == 0
        await advance(settings, deliveries.CLAIM_S)
        receiver.hangs = False
        async with server(settings, webhook_private_hosts=hosts):
            await until(lambda: len(receiver.got) == 2)
        first, second = receiver.got
        assert first.id == second.id
        assert first.body == second.body
        assert second.verified(secret)["data"]["id"] == trip["id"]
    async with database_of(settings) as database:
        (row,) = await database.fetch("SELECT status, attempts FROM webhook_deliveries")
    assert (row["status"], row["attempts"]) == ("DELIVERED", 2)


async def test_a_push_message_of_a_killed_process_is_sent_by_another(settings: Settings) -> None:
    async with push_service() as service:
        device = service.device()
        options = {**PUSH, "prepare": reach_push_services_on_loopback}
        async with server(settings, **options) as killed, Api(killed.url) as rider, Api(killed.url) as driver:
            await rider.sign_up("RIDER")
            await driver.sign_up("DRIVER")
            keys = {"endpoint": device.endpoint, "p256dh": device.p256dh, "auth": text_of(device.auth)}
            assert (await rider.data(REGISTER, input=keys))["errors"] == []
            device.never_answers = True
            trip = await rider.create_trip()
            await driver.update_trip(trip["id"], "STARTED")
            await service.asked.wait()
            killed.kill()
        assert device.got == []
        assert await left(settings, "push_messages", push_rows.CLAIM_S // 2) == 0
        await advance(settings, push_rows.CLAIM_S)
        device.never_answers = False
        async with server(settings, **options):
            await until(lambda: device.got)
        assert [device.read(message) for message in device.got] == [{"text": "ACCEPTED", "tripId": trip["id"]}]


@pytest.mark.parametrize("has_text", [False, True], ids=["before the text", "after the text"])
async def test_a_letter_of_a_killed_process_is_sent_by_another_and_not_twice_in_an_hour(
    settings: Settings, has_text: bool
) -> None:
    post = Post()
    (post.may_accept if has_text else post.may_answer).clear()
    async with post.listening() as url:
        options = {
            "smtp_url": url,
            "mail_from": "Taxirank <no-reply@taxi.example>",
            "public_url": "http://taxi.example",
        }
        async with server(settings, **options) as killed, Api(killed.url) as ann:
            await ann.sign_up("RIDER", email="ann@mail.example")
            await (post.has_text if has_text else post.asked).wait()
            killed.kill()
        post.may_answer.set()
        post.may_accept.set()

        def to_ann() -> int:
            return sum("ann@mail.example" in letter.rcpt_tos for letter in post.got)

        assert to_ann() == has_text
        wait_s = letters.REPEAT_S if has_text else letters.CLAIM_S
        # A minute before the time nobody sends it again: another letter comes alone.
        await advance(settings, wait_s - 60)
        async with server(settings, **options) as other, Api(other.url) as bob:
            await bob.sign_up("RIDER", email="bob@mail.example")
            await until(lambda: any("bob@mail.example" in letter.rcpt_tos for letter in post.got))
        assert to_ann() == has_text
        await advance(settings, wait_s)
        async with server(settings, **options):
            await until(lambda: to_ann() == 1 + has_text)
    assert len(post.got) == 2 + has_text
    async with database_of(settings) as database:
        assert await database.fetch("SELECT id FROM letters WHERE sent IS NULL") == []
