"""A push service on loopback, and the devices that it serves."""

import asyncio
import base64
import json
import os
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import http_ece
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from application import application as module
from application.application import Application
from models.visibility import Actor
from services.notifications.outgoing import OutgoingClient

HOST = "push.test"
PRIVATE_KEY = base64.urlsafe_b64encode(b"\x07" * 32).rstrip(b"=").decode()
SUBJECT = "mailto:ops@taxi.example"
SETTINGS = {"vapid_private_key": PRIVATE_KEY, "vapid_subject": SUBJECT}


def reach_push_services_on_loopback() -> None:
    """Let every application of this process send to ``HOST`` on this machine. For a server that starts."""

    async def here(_: str) -> Sequence[str]:
        return ["127.0.0.1"]

    module.OutgoingClient = partial(OutgoingClient, private_hosts=[HOST], resolve=here)


def text_of(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw_of(text: str) -> bytes:
    """The bytes of base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Pushed:
    """A message as the service got it."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Device:
    """A browser with a subscription."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: os.urandom(16))
    got: list[Pushed] = field(default_factory=list)
    # The next answers of the service; then 201.
    answers: list[bytes] = field(default_factory=list)
    # The service takes the connection and says nothing until then.
    may_answer: asyncio.Event | None = None
    # The service takes requests and loses them.
    never_answers: bool = False

    @property
    def p256dh(self) -> str:
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return text_of(point)

    @property
    def texts(self) -> Sequence[str]:
        """What it was told, in order."""
        return [self.read(each)["text"] for each in self.got]

    def read(self, message: Pushed) -> dict[str, Any]:
        """Decrypt a message."""
        return json.loads(http_ece.decrypt(message.body, private_key=self.key, auth_secret=self.auth))

    async def register(self, application: Application, actor: Actor) -> None:
        """Register it in a session."""
        await application.services.push_subscriptions.register(
            actor, endpoint=self.endpoint, p256dh=self.p256dh, auth=text_of(self.auth)
        )


class PushService:
    """Answers as RFC 8030 says, after it has checked the signature (RFC 8292)."""

    def __init__(self) -> None:
        self.port = 0
        self.devices: dict[str, Device] = {}
        self.asked = asyncio.Event()

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    def device(self) -> Device:
        """A new device."""
        path = f"/push/{len(self.devices)}"
        self.devices[path] = device = Device(self.origin + path)
        return device

    def client(self, *, timeout_s: float = 5.0) -> OutgoingClient:
        """A client that reaches it, though it is no public host."""

        async def resolve(_: str) -> Sequence[str]:
            return ["127.0.0.1"]

        return OutgoingClient(timeout_s=timeout_s, private_hosts=[HOST], resolve=resolve)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers["Content-Length"]))
                device = self.devices[head[0].split()[1]]
                self.asked.set()
                if device.never_answers:
                    await reader.read()
                    return
                if device.may_answer is not None:
                    await device.may_answer.wait()
                answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
                if device.answers:
                    answer = device.answers.pop(0)
                elif self.is_signed(headers["Authorization"]):
                    device.got.append(Pushed(headers, body))
                else:
                    answer = answer_of(403)
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def is_signed(self, authorization: str) -> bool:
        """Whether a message is signed by the key that the subscription is for, and for this service."""
        scheme, _, rest = authorization.partition(" ")
        parts = dict(part.split("=", 1) for part in rest.split(","))
        token, key = parts["t"], parts["k"]
        signed, _, signature = token.rpartition(".")
        header, claims = (json.loads(raw_of(part)) for part in signed.split("."))
        raw = raw_of(signature)
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw_of(key))
        # Raises if the signature is not of that key.
        public.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
        ours = ec.derive_private_key(int.from_bytes(raw_of(PRIVATE_KEY), "big"), ec.SECP256R1()).public_key()
        return (
            scheme == "vapid"
            and len(raw) == 64
            and header["alg"] == "ES256"
            and claims["aud"] == self.origin
            and time.time() < claims["exp"] <= time.time() + 24 * 3600
            and claims["sub"] == SUBJECT
            and public.public_numbers() == ours.public_numbers()
        )


def answer_of(status: int, *headers: str) -> bytes:
    """An answer without a body."""
    return "\r\n".join([f"HTTP/1.1 {status} Some", *headers, "Content-Length: 0", "", ""]).encode()


@asynccontextmanager
async def push_service() -> AsyncGenerator[PushService]:
    """A running push service."""
    service = PushService()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    async with server:
        yield service
