"""The garbage collector causes no long pause, and the memory of a crowd that has left is returned."""

import ctypes
import json
import subprocess
import sys

import pytest

from application.paths import ROOT
from services.runtime import process_memory
from services.runtime.process_memory import LONGEST_FULL_S, S_PER_BLOCK, SHRUNK_BY, ProcessMemory

FEW, CROWD = 20_000, 4_000_000


class Process:
    """A process whose blocks, collections and trims a test can see. A full collection takes this long for each
    block.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.blocks = 700_000
        self.s_per_block = S_PER_BLOCK
        self.collections = self.trims = 0
        self._now_s = 0.0
        self._began_with = self.blocks
        monkeypatch.setattr(process_memory.gc, "collect", self._collect)
        for name in ("freeze", "set_threshold"):
            monkeypatch.setattr(process_memory.gc, name, lambda *_: None)
        monkeypatch.setattr(process_memory.gc, "callbacks", [])
        monkeypatch.setattr(process_memory.sys, "getallocatedblocks", lambda: self.blocks)
        monkeypatch.setattr(process_memory, "thread_time", lambda: self._now_s)
        monkeypatch.setattr(process_memory, "_trim", self._trim)
        self.memory = ProcessMemory()
        self.memory.take_over()
        self.collections = 0

    async def holds(self, blocks: int) -> None:
        """This many blocks more than at the start are in use when the memory is checked."""
        self.blocks = self._began_with + blocks
        await self.memory.tidy()

    def _collect(self) -> None:
        self.collections += 1
        self._now_s += (self.blocks - self._began_with) * self.s_per_block

    def _trim(self) -> None:
        self.trims += 1


async def test_a_full_collection_runs_only_while_it_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    await process.holds(FEW)
    assert process.collections == 1
    await process.holds(CROWD)
    assert process.collections == 1
    await process.holds(FEW)
    assert process.collections == 2


async def test_the_time_of_a_full_collection_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    process.s_per_block = LONGEST_FULL_S * 2 / FEW
    await process.holds(FEW)
    await process.holds(FEW)
    assert process.collections == 1
    await process.holds(FEW // 4)
    assert process.collections == 2


async def test_memory_is_returned_once_when_a_crowd_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(monkeypatch)
    for blocks in (FEW, CROWD, CROWD - SHRUNK_BY // 2):
        await process.holds(blocks)
    assert process.trims == 0
    for _ in range(3):
        await process.holds(FEW)
    assert process.trims == 1


async def test_a_process_that_does_not_serve_keeps_its_garbage_collector() -> None:
    memory = ProcessMemory()
    before = process_memory.gc.get_stats()[2]["collections"]
    await memory.tidy()
    assert process_memory.gc.get_stats()[2]["collections"] == before


def _in_a_process(code: str) -> dict[str, float]:
    """The JSON that the code prints, in a separate process."""
    prepared = "import asyncio, gc, json, sys\nfrom services.runtime.process_memory import ProcessMemory\n" + code
    ended = subprocess.run([sys.executable, "-c", prepared], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


def test_objects_that_replace_old_ones_do_not_accumulate() -> None:
    found = _in_a_process("""
memory = ProcessMemory()
memory.take_over()
places = [[number] for number in range(50_000)]
gc.collect()
async def replace():
    for first in range(0, 50_000, 5_000):
        for number in range(first, first + 5_000):
            places[number] = [number]
        await memory.collect_young()
asyncio.run(replace())
print(json.dumps({"young": len(gc.get_objects(0)) + len(gc.get_objects(1))}))
""")
    assert found["young"] < 5_000


def test_a_crowd_that_comes_makes_no_full_collection_and_only_short_ones() -> None:
    found = _in_a_process("""
memory = ProcessMemory()
memory.take_over()
before, most = gc.get_stats(), 0
def note(phase, info):
    global most
    if phase == "start":
        most = max(most, sum(len(gc.get_objects(g)) for g in range(info["generation"] + 1)))
gc.callbacks.append(note)
crowd = [[number] for number in range(200_000)]
after = gc.get_stats()
print(json.dumps({"full": after[2]["collections"] - before[2]["collections"], "most": most}))
""")
    assert found["full"] == 0
    assert found["most"] < 20_000


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library")
def test_the_heap_of_a_crowd_that_has_left_returns_to_the_system() -> None:
    found = _in_a_process("""
def rss_mb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) / 1024
memory = ProcessMemory()
memory.take_over()
crowd = [(bytearray(2_000), [number]) for number in range(40_000)]
# Something that stays lies behind it.
last = bytearray(2_000)
asyncio.run(memory.tidy())
full_mb = rss_mb()
crowd.clear()
left_mb = rss_mb()
asyncio.run(memory.tidy())
print(json.dumps({"full": full_mb, "left": left_mb, "tidied": rss_mb()}))
""")
    assert found["full"] - found["tidied"] > 70
