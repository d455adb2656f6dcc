"""Returns a process's memory to the system when many clients have left, without stalls of the event loop."""

import asyncio
import ctypes
import gc
import sys
from time import perf_counter, thread_time
from typing import Any, Literal

from services.runtime.durations import Durations

# The garbage collector's thresholds for its two young generations. A collection of the first takes two
# milliseconds. When many clients connect, nearly all objects survive anyway, so smaller numbers only make the
# pauses shorter.
YOUNG, MIDDLE = 2_500, 4
_NEVER = 1 << 30
# The longest full collection, in seconds of CPU: a process that shares its core takes twice as long.
# One examines all objects made since the start: 0.15 ms a socket.
LONGEST_FULL_S = 0.01
# The assumed cost of the first full collection for each memory block; after that it is measured.
S_PER_BLOCK = 4e-7
# The heap is trimmed when this many blocks fewer are in use than at the last peak: those of 300 sockets.
SHRUNK_BY = 100_000
YOUNG_INTERVAL_S = 1.0
TIDY_INTERVAL_S = 10.0


class ProcessMemory:
    """Decides when full garbage collections run, and when free memory of glibc's heap returns to the system.

    Requests and sockets leave no reference cycles behind (tests check that), so full collections are not urgent.
    With ten thousand sockets one would block the event loop for a second; so they run only while they are short.
    Only a serving process calls ``take_over``; until then nothing changes.
    """

    def __init__(self) -> None:
        self.pauses = Durations()
        self._has_taken_over = False
        self._began_s = 0.0
        # Allocated blocks of Python's allocator: at the start, and the highest number since the last trim.
        self._blocks_at_start = 0
        self._peak = 0
        self._s_per_block = S_PER_BLOCK

    def take_over(self) -> None:
        """Exclude all present objects from collections, and control when full collections run."""
        gc.collect()
        # They live as long as the process.
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, _NEVER)
        gc.callbacks.append(self._note_pause)
        self._has_taken_over = True
        self._blocks_at_start = sys.getallocatedblocks()

    async def collect_young(self) -> None:
        """Collect young objects.

        Python counts created objects minus deleted ones, of any age. If new objects replace old ones, as the
        timers of ten thousand pings do, young objects accumulate and are then examined together.
        """
        if self._has_taken_over:
            gc.collect(1)

    async def tidy(self) -> None:
        """Run a full collection if it is short, and return free memory to the system."""
        if not self._has_taken_over:
            return
        self._peak = max(self._peak, self._blocks)
        if self._blocks * self._s_per_block <= LONGEST_FULL_S:
            self._collect()
        if self._blocks < self._peak - SHRUNK_BY:
            self._peak = self._blocks
            # In a thread: it takes some milliseconds, and does not hold the GIL.
            await asyncio.to_thread(_trim)

    @property
    def _blocks(self) -> int:
        """How many blocks are in use beyond those of the start."""
        return max(1, sys.getallocatedblocks() - self._blocks_at_start)

    def _collect(self) -> None:
        blocks, began_s = self._blocks, thread_time()
        gc.collect()
        # With few blocks, the measured time is mostly fixed cost.
        self._s_per_block = max(S_PER_BLOCK, (thread_time() - began_s) / max(blocks, 10_000))

    def _note_pause(self, phase: Literal["start", "stop"], _: dict[str, Any]) -> None:
        if phase == "start":
            self._began_s = perf_counter()
        else:
            self.pauses.add(perf_counter() - self._began_s)


def _trim() -> None:
    """Return the free pages of glibc's heap to the system; does nothing with another C library.

    By itself glibc returns only free memory at the end of its heap, and one used block there prevents that.
    Source: malloc_trim(3)
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
