"""Web Push: messages to the push services of browsers, encrypted (RFC 8291) and signed (VAPID, RFC 8292)."""

import base64
import binascii
import os
import time
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import http_ece  # pyright: ignore[reportMissingTypeStubs]
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02, VapidException

from services.notifications.outgoing import OutgoingClient
from services.runtime.expiring_map import ExpiringMap

# Push services accept tokens for at most 24 hours.
TOKEN_S = 12 * 3600
# A token is not used in its last hour: the clock of a push service may be ahead.
TOKEN_REUSED_S = TOKEN_S - 3600
MAX_TOKENS = 1000
# All texts have this length, so that a push service cannot tell one from another. At most 3,993 bytes are allowed.
PADDED_BYTES = 128


class PushRefused(Exception):
    """The push service does not take this message, and will not take it later."""


class SubscriptionGone(Exception):
    """The device gets no messages any more: its user has forbidden it, or removed the browser."""


class PushDeferred(Exception):
    """The push service does not take the message now. ``retry_after_s``: when it may, if it has said so.

    ``is_of_service``: it fails, and probably for all devices.
    """

    def __init__(self, reason: str, retry_after_s: int | None, *, is_of_service: bool) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.is_of_service = is_of_service


@dataclass(frozen=True, slots=True)
class PushAddress:
    """Where the messages of a device go, and the keys for them, in base64url."""

    endpoint: str
    p256dh: str
    auth: str


@dataclass(frozen=True, slots=True)
class PushText:
    """A message. The push service keeps it for ``ttl_s``; a later one of its ``topic`` replaces it there."""

    content: dict[str, Any]
    ttl_s: int
    topic: str
    is_urgent: bool


class VapidKeys:
    """The keys by which push services know this server, and its contact."""

    def __init__(self, private_key: str, subject: str) -> None:
        """``private_key``: 32 bytes in base64url. ``subject``: a ``mailto:`` or ``https:`` address.

        Raises: ValueError: the text says what is expected.
        """
        self._vapid = Vapid02(_private_key(private_key))
        self._subject = subject
        self.public_key = _public_text(self._vapid.private_key)
        # By the origin of the push service: to sign takes a fifth of the time of a message.
        self._tokens = ExpiringMap[str, str](MAX_TOKENS)
        self.authorization("https://push.example")

    def authorization(self, origin: str) -> str:
        """The value of ``Authorization`` for a push service."""
        now = time.time()
        value = self._tokens.get(origin, now_s=now)
        if value is None:
            claims = {"aud": origin, "exp": int(now) + TOKEN_S, "sub": self._subject}
            try:
                value = self._vapid.sign(claims)["Authorization"]
            except VapidException:
                raise ValueError("must be mailto:NAME@HOST or https://HOST") from None
            self._tokens.put(origin, value, until_s=now + TOKEN_REUSED_S, now_s=now)
        return value


class WebPush:
    """Sends messages to devices."""

    def __init__(self, keys: VapidKeys, client: OutgoingClient) -> None:
        self._keys = keys
        self._client = client

    async def send(self, address: PushAddress, text: PushText) -> None:
        """Give a message to the push service of a device.

        Raises:
            SubscriptionGone, PushRefused, PushDeferred
            AddressRefused: the push service is not on a public host (any more).
            NoAnswer: it may have the message.
        """
        headers = {
            "Authorization": self._keys.authorization(_origin(address.endpoint)),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(text.ttl_s),
            "Topic": text.topic,
            "Urgency": "high" if text.is_urgent else "normal",
        }
        body = encrypted(orjson.dumps(text.content).ljust(PADDED_BYTES), address)
        answer = await self._client.post(address.endpoint, headers=headers, body=body)
        if answer.is_success:
            return
        if answer.status in (404, 410):
            raise SubscriptionGone
        # A key that the service does not know for this device (401, 403) may be a mistake in the settings.
        if answer.status in (401, 403, 408, 429) or answer.status >= 500:
            raise PushDeferred(
                f"it answered {answer.status}", answer.retry_after_s, is_of_service=answer.status >= 500
            )
        raise PushRefused(f"it answered {answer.status}")


def topic_of(id_: UUID) -> str:
    """A topic of at most 32 characters of base64url (RFC 8030)."""
    return _text(id_.bytes)


def new_keys() -> tuple[str, str]:
    """A new private key, and its public key, in base64url."""
    key = ec.generate_private_key(ec.SECP256R1())
    number = key.private_numbers().private_value
    return _text(number.to_bytes(32, "big")), _public_text(key)


def encrypted(
    content: bytes,
    address: PushAddress,
    *,
    salt: bytes | None = None,
    private_key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """A message that only the device can read. ``salt`` and ``private_key`` are new for each message."""
    return cast(
        "bytes",
        http_ece.encrypt(
            content,
            salt=salt or os.urandom(16),
            private_key=private_key or ec.generate_private_key(ec.SECP256R1()),
            dh=bytes_of(address.p256dh),
            auth_secret=bytes_of(address.auth),
            version="aes128gcm",
        ),
    )


def bytes_of(text: str) -> bytes:
    """The bytes of base64url, with or without padding. Raises: ValueError."""
    text = text.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeError):
        raise ValueError("is not base64url") from None


def _private_key(text: str) -> ec.EllipticCurvePrivateKey:
    try:
        raw = bytes_of(text)
        if len(raw) != 32:
            raise ValueError
        return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())
    except ValueError:
        raise ValueError("must be a key that `server.py vapid-keys` has made") from None


def _public_text(key: ec.EllipticCurvePrivateKey) -> str:
    return _text(
        key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _origin(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}".lower()
