"""The memory of a server process: given back when a crowd has left, and never at the price of a stall."""

import asyncio
import ctypes
import gc
import sys
from time import perf_counter, thread_time
from typing import Any, Literal

from services.runtime.loop_lag import Durations

# Young objects are examined after so many more have been made than given up: two milliseconds. The ones that have
# survived that are examined four times as many at once. In a crowd that comes nearly all survive, whatever the
# numbers; smaller ones mean shorter pauses.
YOUNG, MIDDLE = 2_500, 4
_NEVER = 1 << 30
# A full collection examines everything that the start has not left behind: 0.15 ms a socket.
LONGEST_FULL_S = 0.02
# What the first one is taken to cost for each block of memory; then it is measured.
S_PER_BLOCK = 4e-7
# The allocator gives pages back when so many blocks less are in use than at the last peak: those of 300 sockets.
SHRUNK_BY = 100_000
YOUNG_INTERVAL_S = 1.0
TIDY_INTERVAL_S = 10.0


class ProcessMemory:
    """Decides when Python's garbage collector examines old objects, and when glibc's heap is given back.

    Nothing that a request or a socket leaves waits for the collector (tests hold that), so full collections, which
    would hold the event loop for a second with ten thousand sockets, are made only while they are short.
    ``take_over`` is for a process that serves; without it nothing is changed.
    """

    def __init__(self) -> None:
        self.pauses = Durations()
        self._has_taken_over = False
        self._began_s = 0.0
        # Blocks that Python's allocator has handed out: after the start, and at most since the last trim.
        self._blocks_at_start = 0
        self._peak = 0
        self._s_per_block = S_PER_BLOCK

    def take_over(self) -> None:
        """Leave the objects of the start out of all collections, and decide when the others are collected."""
        gc.collect()
        # They live as long as the process.
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, _NEVER)
        gc.callbacks.append(self._note_pause)
        self._has_taken_over = True
        self._blocks_at_start = sys.getallocatedblocks()

    async def collect_young(self) -> None:
        """Collect what is young.

        Python counts what is made less what is given up, of whatever age: where new objects take the places of
        old ones, such as the timers of ten thousand pings, the young ones pile up, and are then examined at once.
        """
        if self._has_taken_over:
            gc.collect(1)

    async def tidy(self) -> None:
        """Collect everything if that is short, and give back what a crowd has left."""
        if not self._has_taken_over:
            return
        self._peak = max(self._peak, self._blocks)
        if self._blocks * self._s_per_block <= LONGEST_FULL_S:
            self._collect()
        if self._blocks < self._peak - SHRUNK_BY:
            self._peak = self._blocks
            # In a thread, and without the interpreter's lock: it takes some milliseconds.
            await asyncio.to_thread(_trim)

    @property
    def _blocks(self) -> int:
        """How many blocks are in use beyond those of the start."""
        return max(1, sys.getallocatedblocks() - self._blocks_at_start)

    def _collect(self) -> None:
        blocks, began_s = self._blocks, thread_time()
        gc.collect()
        # Of a few blocks the time says nothing.
        self._s_per_block = max(S_PER_BLOCK, (thread_time() - began_s) / max(blocks, 10_000))

    def _note_pause(self, phase: Literal["start", "stop"], _: dict[str, Any]) -> None:
        if phase == "start":
            self._began_s = perf_counter()
        else:
            self.pauses.add(perf_counter() - self._began_s)


def _trim() -> None:
    """Give the free pages of glibc's heap back to the system; does nothing with another C library.

    glibc gives back only what lies at the end of its heap, and one block that is in use there holds all others.
    Source: malloc_trim(3)
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
