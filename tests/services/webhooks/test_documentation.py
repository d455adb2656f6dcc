"""docs/webhooks.md is true: its examples have the fields that are sent, and its code verifies."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from application.application import Application
from application.paths import ROOT
from models.trip_life import ChangedBy, TripStatus
from services.webhooks import deliveries, endpoints, sender
from services.webhooks.events import EVENT_TYPES, TEST_TYPE
from services.webhooks.signing import new_secret, signed_headers
from tests.services.webhooks.test_sender import ride
from tests.support.tools import need_node
from tests.support.webhooks import Receiver, add_endpoint

TEXT = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
EXAMPLES = {
    name: json.loads(body) for name, body in re.findall(r"### `(\S+)`\n\n.+?```json\n(.+?)\n```", TEXT, re.DOTALL)
}
BODY = b'{"type":"trip.requested","data":{"street":"\xc3\x9cber"}}'


def code(language: str) -> str:
    (found,) = re.findall(rf"```{language} verify\n(.+?)```", TEXT, re.DOTALL)
    return found


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_each_type_is_described_with_an_example_of_what_is_sent(
    application: Application, receiver: Receiver
) -> None:
    assert set(EXAMPLES) == {*EVENT_TYPES, TEST_TYPE}
    endpoint_id, _ = await add_endpoint(application, receiver.url)
    await ride(application)
    await application.webhooks.test(endpoint_id)
    await application.webhook_sender.send_due()
    sent = {received.event["type"]: received.event for received in receiver.got}
    # Time has to pass for it; its fields are those of the others.
    assert set(EXAMPLES) - set(sent) == {"trip.expired"}
    for name, event in sent.items():
        example = EXAMPLES[name]
        assert list(example) == list(event) == ["type", "timestamp", "data"]
        assert list(example["data"]) == list(event["data"]), name
        if name != TEST_TYPE:
            assert example["data"]["status"] == event["data"]["status"], name
            assert example["data"]["changedBy"] == event["data"]["changedBy"], name
            # Whether it is null.
            for field in ("driverId", "cancelCode"):
                assert (example["data"][field] is None) == (event["data"][field] is None), (name, field)
    assert list(EXAMPLES["trip.expired"]["data"]) == list(EXAMPLES["trip.completed"]["data"])
    for example in EXAMPLES.values():
        if "status" in example["data"]:
            assert example["timestamp"] == example["data"]["updated"]
            TripStatus(example["data"]["status"])
            ChangedBy(example["data"]["changedBy"])


def test_the_numbers_of_the_page_are_those_of_the_server() -> None:
    assert sender.RETRY_S == (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
    assert (sender.TIMEOUT_S, sender.AT_ONCE, sender.MAX_RETRY_AFTER_S, sender.QUIET_S) == (20, 4, 3600, 10)
    assert sorted(sender.OVERLOADED) == [429, 502, 503, 504]
    assert (endpoints.MAX_ENDPOINTS, endpoints.FAILING_AFTER_S) == (32, 15 * 60)
    assert endpoints.DISABLED_AFTER_S == 5 * deliveries.DAY_S
    assert [seconds // deliveries.DAY_S for seconds in deliveries.KEPT_S.values()] == [3, 30]
    assert deliveries.MAX_KEPT == 100_000


@pytest.mark.attack("abuse")
def test_the_python_code_of_the_page_accepts_ours_and_refuses_others() -> None:
    space: dict[str, Any] = {}
    exec(code("python"), space)
    secret = new_secret()
    headers = signed_headers([new_secret(), secret], "trip_1_1", int(time.time()), BODY)
    assert space["receive"](secret, headers, BODY)["type"] == "trip.requested"
    old = signed_headers([secret], "trip_1_1", int(time.time()) - 600, BODY)
    for wrong in (
        (new_secret(), headers, BODY),
        (secret, headers, BODY + b" "),
        (secret, headers | {"webhook-id": "trip_1_2"}, BODY),
        (secret, old, BODY),
    ):
        with pytest.raises(WebhookVerificationError):
            space["receive"](*wrong)


@pytest.mark.attack("abuse")
def test_the_javascript_code_of_the_page_accepts_ours_and_refuses_others(tmp_path: Path) -> None:
    need_node()
    secret = new_secret()
    headers = signed_headers([new_secret(), secret], "trip_1_1", int(time.time()), BODY)
    old = signed_headers([secret], "trip_1_1", int(time.time()) - 600, BODY)
    text = BODY.decode()
    tries = [
        (secret, headers, text),
        (new_secret(), headers, text),
        (secret, headers, text + " "),
        (secret, headers | {"webhook-id": "trip_1_2"}, text),
        (secret, old, text),
        (secret, headers | {"webhook-signature": "v1"}, text),
    ]
    script = tmp_path / "verify.mjs"
    script.write_text(
        code("js")
        + f"for (const t of {json.dumps(tries)}) {{ try {{ console.log(receive(...t).type) }} "
        + "catch (error) { console.log(error.message) } }"
    )
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "trip.requested",
        *["not signed by us"] * 3,
        "too old, or too new",
        "not signed by us",
    ]
