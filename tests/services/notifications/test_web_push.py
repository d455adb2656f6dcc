"""Messages to push services: their encryption and signature, and what the answers mean."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from application.settings import SettingsError, load_settings
from services.notifications.outgoing import AddressRefused, OutgoingClient
from services.notifications.web_push import (
    PADDED_BYTES,
    PushAddress,
    PushDeferred,
    PushRefused,
    PushText,
    SubscriptionGone,
    VapidKeys,
    WebPush,
    encrypted,
    new_keys,
)
from tests.support.push_service import (
    PRIVATE_KEY,
    SUBJECT,
    Device,
    PushService,
    answer_of,
    push_service,
    raw_of,
    text_of,
)

TEXT = PushText({"text": "OFFER"}, ttl_s=60, topic="a-topic", is_urgent=True)


def test_a_message_is_encrypted_as_the_example_of_rfc_8291() -> None:
    # Its section 5, and appendix A.
    address = PushAddress(
        "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
    private = int.from_bytes(raw_of("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    message = encrypted(
        b"When I grow up, I want to be a watermelon",
        address,
        salt=raw_of("DGv6ra1nlYgDCS1FRnbzlw"),
        private_key=ec.derive_private_key(private, ec.SECP256R1()),
    )
    assert text_of(message) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK"
        "6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


async def send(service: PushService, device: Device, *, address: PushAddress | None = None) -> None:
    client = service.client()
    try:
        await WebPush(VapidKeys(PRIVATE_KEY, SUBJECT), client).send(
            address or PushAddress(device.endpoint, device.p256dh, text_of(device.auth)), TEXT
        )
    finally:
        await client.close()


async def test_a_device_decrypts_what_the_push_service_cannot_read() -> None:
    async with push_service() as service:
        device = service.device()
        # The service accepts it only if the signature is right.
        await send(service, device)
        (message,) = device.got
    assert device.read(message) == {"text": "OFFER"}
    assert b"OFFER" not in message.body
    sent = {name: message.headers[name] for name in ("TTL", "Topic", "Urgency", "Content-Encoding")}
    assert sent == {"TTL": "60", "Topic": "a-topic", "Urgency": "high", "Content-Encoding": "aes128gcm"}


async def test_all_texts_have_the_same_length() -> None:
    async with push_service() as service:
        device = service.device()
        await send(service, device)
        await send(service, device)
    lengths = {len(message.body) for message in device.got}
    # 86 bytes before the text, a delimiter and the tag after it.
    assert lengths == {86 + PADDED_BYTES + 1 + 16}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, PushRefused),
        (301, PushRefused),
        (404, SubscriptionGone),
        (410, SubscriptionGone),
        (413, PushRefused),
        (401, PushDeferred),
        (403, PushDeferred),
        (429, PushDeferred),
        (500, PushDeferred),
        (503, PushDeferred),
    ],
)
async def test_each_answer_has_its_outcome(status: int, outcome: type[Exception]) -> None:
    async with push_service() as service:
        device = service.device()
        device.answers = [answer_of(status, "Retry-After: 7", "Location: /elsewhere")]
        with pytest.raises(outcome) as raised:
            await send(service, device)
    if isinstance(raised.value, PushDeferred):
        assert (raised.value.retry_after_s, raised.value.is_of_service) == (7, status >= 500)


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("host", ["169.254.169.254", "localhost", "127.0.0.1", "10.0.0.1"])
async def test_nothing_is_pushed_to_a_private_host(host: str) -> None:
    client = OutgoingClient()
    with pytest.raises(AddressRefused):
        await WebPush(VapidKeys(PRIVATE_KEY, SUBJECT), client).send(
            PushAddress(f"https://{host}/push/1", Device("").p256dh, text_of(b"0" * 16)), TEXT
        )
    await client.close()


def test_new_keys_are_accepted_and_have_the_public_key_of_the_private_one() -> None:
    private, public = new_keys()
    assert VapidKeys(private, SUBJECT).public_key == public
    assert len(raw_of(public)) == 65
    assert new_keys() != (private, public)


@pytest.mark.parametrize(
    ("key", "subject", "named"),
    [
        ("short", SUBJECT, "TAXIRANK_VAPID_PRIVATE_KEY: must be a key"),
        (text_of(b"\0" * 32), SUBJECT, "TAXIRANK_VAPID_PRIVATE_KEY: must be a key"),
        ("ß" * 43, SUBJECT, "TAXIRANK_VAPID_PRIVATE_KEY: must be a key"),
        (PRIVATE_KEY, "ops@taxi.example", "TAXIRANK_VAPID_SUBJECT: must be mailto:"),
        (PRIVATE_KEY, None, "TAXIRANK_VAPID_PRIVATE_KEY and TAXIRANK_VAPID_SUBJECT need each other"),
    ],
)
def test_a_wrong_key_or_contact_stops_the_start(key: str, subject: str | None, named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(vapid_private_key=key, vapid_subject=subject)
    assert str(refused.value).startswith(named)
    assert "\n" not in str(refused.value)
