"""A receiver of webhooks on loopback, and an application that may send to it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from standardwebhooks.webhooks import Webhook

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from services.database.dialects import Row

OK = (200, {}, b"")


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its webhook-id."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        """Its payload, unverified."""
        return orjson.loads(self.body)

    def verified(self, secret: str) -> Any:
        """Its payload, checked as the specification's own library does. It cannot read whole microseconds."""
        return Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """Another system. ``answers`` are given in turn, the last one for ever; ``hangs`` never answers."""

    def __init__(self) -> None:
        self.got: list[Received] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = [OK]
        self.hangs = False
        self.asked = asyncio.Event()
        self.under_way = 0
        self.most_under_way = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def types(self) -> list[str]:
        """The types that it has got, in order."""
        return [received.event["type"] for received in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.got.append(Received(first.split()[1], headers, body))
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                self.asked.set()
                if self.hangs:
                    await reader.read()
                    return
                status, more, answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                self.under_way -= 1
                added = "".join(f"{name}: {value}\r\n" for name, value in more.items())
                writer.write(
                    f"HTTP/1.1 {status} x\r\n{added}Content-Length: {len(answer)}\r\n\r\n".encode() + answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


def allowing(settings: Settings, *receivers: Receiver) -> Settings:
    """Settings of a server in whose own network the receivers are."""
    hosts = tuple(f"127.0.0.1:{receiver.port}" for receiver in receivers)
    return settings.model_copy(update={"webhook_private_hosts": hosts})


@asynccontextmanager
async def sending_to(settings: Settings, *receivers: Receiver) -> AsyncGenerator[Application]:
    """An application that sends webhooks when the test says so (``webhook_sender.send_due``)."""
    application = Application(allowing(settings, *receivers))
    async with running(application):
        await application.webhook_sender.stop()
        yield application


async def add_endpoint(application: Application, url: str, **options: Any) -> tuple[UUID, str]:
    """An endpoint that hears of changes from now on; returns its id and its secret."""
    endpoint, secret = await application.webhooks.add(url=url, **options)
    await application.database.fetch("UPDATE webhook_endpoints SET begins = created WHERE id = $1", endpoint.id)
    return endpoint.id, secret


async def rows_of(application: Application) -> Sequence[Row]:
    """All deliveries, the oldest first."""
    return await application.database.fetch("SELECT * FROM webhook_deliveries ORDER BY id")


async def make_due(application: Application) -> None:
    """Advance the clock to the next attempt."""
    await application.database.fetch(
        f"UPDATE webhook_deliveries SET due = {application.database.sql.ago(0)} WHERE status = 'WAITING'"
    )
    await application.database.fetch("UPDATE webhook_endpoints SET quiet_until = NULL")
