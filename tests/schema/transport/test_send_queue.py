"""The send queue: in order, bounded by its keys, and without making anybody wait."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from gateway.uvicorn.connection import Connection
from schema.transport import send_queue as send_queue_module
from schema.transport.send_queue import Frame, SendQueue
from services.runtime.fair_queue import FairQueue
from services.runtime.shared_result import SharedResult
from tests.support.waiting import PATIENCE_S, until


class Wire:
    """A transport whose client reads only while ``open``. Like uvicorn's, its send waits until then."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.open = asyncio.Event()
        self.open.set()
        self.aborted = 0
        self.failure: Exception | None = None
        self.send_queue = SendQueue(self.send, self.abort)

    async def send(self, frame: Frame) -> None:
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.sent.append(frame["text"])

    def abort(self) -> None:
        self.aborted += 1
        self.failure = ConnectionError("aborted")
        self.open.set()

    def put(self, key: object, text: object) -> None:
        self.send_queue.put(key, {"text": text})


def test_a_send_that_stops_half_way_continues_under_either_event_loop() -> None:
    async def scenario() -> None:
        wire = Wire()
        wire.put(1, "before")
        assert wire.sent == ["before"]
        wire.open.clear()
        wire.put(2, "half way")
        wire.put(3, "behind")
        assert wire.sent == ["before"]
        wire.open.set()
        await wire.send_queue.drained()
        assert wire.sent == ["before", "half way", "behind"]
        wire.put(4, "after")
        assert wire.sent[-1] == "after"

    for new_loop in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(scenario())


async def test_a_frame_is_sent_immediately_and_without_a_task_if_the_transport_accepts_it() -> None:
    wire = Wire()
    before = asyncio.all_tasks()
    for number in range(5):
        wire.put("same key", number)
    assert wire.sent == [0, 1, 2, 3, 4]
    assert asyncio.all_tasks() == before


async def test_a_newer_frame_replaces_a_waiting_one_with_the_same_key() -> None:
    wire = Wire()
    wire.open.clear()
    wire.put("first", 0)
    for number in range(10):
        wire.put("a", f"a{number}")
        wire.put("b", f"b{number}")
    assert wire.send_queue.waiting == 2
    wire.open.set()
    await wire.send_queue.drained()
    assert wire.sent == [0, "a9", "b9"]


async def test_an_unwanted_frame_is_dropped() -> None:
    wire = Wire()
    wire.open.clear()
    for key in ("under way", "a", "b", "c"):
        wire.put(key, key)
    wire.send_queue.drop(lambda key: key in {"a", "c"})
    wire.open.set()
    await wire.send_queue.drained()
    assert wire.sent == ["under way", "b"]


async def test_a_frame_that_is_still_being_made_holds_its_place() -> None:
    wire = Wire()
    made: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
    wire.put(0, "before")
    wire.send_queue.put(1, SharedResult(made, FairQueue()))
    wire.put(2, "behind")
    assert wire.sent == ["before"]
    made.set_result({"text": "made"})
    await wire.send_queue.drained()
    assert wire.sent == ["before", "made", "behind"]


async def test_a_connection_that_ends_does_not_cancel_a_frame_shared_with_others() -> None:
    made: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
    ending, staying = Wire(), Wire()
    for wire in (ending, staying):
        wire.send_queue.put(1, SharedResult(made, FairQueue()))
    await asyncio.sleep(0)
    ending.send_queue.stop()
    await asyncio.sleep(0)
    made.set_result({"text": "made"})
    await staying.send_queue.drained()
    assert (ending.sent, staying.sent) == ([], ["made"])


async def test_nobody_waits_for_a_frame_that_is_dropped_while_it_is_being_made() -> None:
    wire = Wire()
    for key in ("dropped", "also"):
        never: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        wire.send_queue.put(key, SharedResult(never, FairQueue()))
    wire.put("behind", "behind")
    await asyncio.sleep(0)
    assert wire.send_queue.drop(lambda key: key == "dropped") == 1
    await asyncio.sleep(0)
    assert wire.send_queue.drop(lambda key: key == "also") == 1
    async with asyncio.timeout(PATIENCE_S):
        await wire.send_queue.drained()
    assert wire.sent == ["behind"]


async def test_a_frame_that_took_long_to_make_is_written_as_it_is_encoded() -> None:
    wire, written = Wire(), list[bytes]()
    wire.send_queue = SendQueue(wire.send, wire.abort, lambda data: written.append(data) is None)
    made: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
    wire.send_queue.put(1, SharedResult(made, FairQueue()))
    made.set_result({"text": "made", "ready": b"encoded"})
    await wire.send_queue.drained()
    assert (wire.sent, written) == ([], [b"encoded"])


async def test_a_client_that_reads_nothing_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_queue_module, "SEND_TIMEOUT_S", 0.05)
    wire = Wire()
    wire.open.clear()
    wire.put(1, "never taken")
    wire.put(2, "nor this")
    await wire.send_queue.drained()
    assert (wire.aborted, wire.send_queue.is_broken, wire.send_queue.waiting, wire.sent) == (1, True, 0, [])
    wire.put(3, "nothing more is kept")
    assert wire.send_queue.waiting == 0


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_connection_that_fails_sends_nothing_more(is_open: bool) -> None:
    wire = Wire()
    if not is_open:
        wire.open.clear()
    wire.failure = ConnectionError("gone")
    wire.put(1, "a")
    wire.put(2, "b")
    wire.open.set()
    await wire.send_queue.drained()
    assert (wire.send_queue.is_broken, wire.send_queue.waiting, wire.sent, wire.aborted) == (True, 0, [], 0)


async def test_the_queue_reports_when_everything_was_sent_but_not_after_an_abort() -> None:
    told: list[str] = []
    for name, failure in (("good", None), ("bad", ConnectionError())):
        wire = Wire()
        wire.failure = failure
        wire.send_queue.on_drained = _teller(told, name)
        wire.open.clear()
        wire.put(1, "a")
        wire.open.set()
        await wire.send_queue.drained()
    assert told == ["good"]


def _teller(told: list[str], name: str) -> Callable[[], None]:
    return lambda: told.append(name)


@pytest.mark.parametrize("steps", range(3))
async def test_the_queue_can_be_stopped_at_any_step_and_then_has_nothing_to_wait_for(steps: int) -> None:
    before = asyncio.all_tasks()
    wire = Wire()
    wire.open.clear()
    wire.put(1, "a")
    wire.put(2, "b")
    for _ in range(steps):
        await asyncio.sleep(0)
    wire.send_queue.stop()
    async with asyncio.timeout(PATIENCE_S):
        await wire.send_queue.drained()
    await until(lambda: asyncio.all_tasks() <= before)
    wire.open.set()
    wire.put(3, "c")
    assert wire.sent == []


def test_the_connection_of_an_unknown_server_is_not_accessed() -> None:
    async def send(_: Frame) -> None: ...

    Connection(send).abort()
    Connection(send).expect_acknowledgements(within_s=1)
