"""Pins processes to cores, and measures their CPU time."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

SERVER_CORE = 0
LOAD_CORE = 1


def pin(pid: int, core: int) -> None:
    """Pin a process and its future children to one core. Does nothing if the system does not support that."""
    if hasattr(os, "sched_setaffinity") and core < (os.cpu_count() or 1):
        os.sched_setaffinity(pid, {core})


@dataclass(frozen=True, slots=True)
class Usage:
    """The CPU time (user and system) of a measurement."""

    elapsed_s: float
    server_cpu_s: float
    load_cpu_s: float

    @property
    def load_share(self) -> float:
        """How much of its core the load generator used, 0 to 1."""
        return self.load_cpu_s / self.elapsed_s


class Meter:
    """Measures from its creation. ``on_read`` is called after the CPU time was read."""

    def __init__(self, server: psutil.Process, on_read: Callable[[], None] = lambda: None) -> None:
        self._server = server
        self._on_read = on_read
        self._began_s = time.perf_counter()
        self._server_cpu_s = cpu_s(server)
        self._load_cpu_s = time.process_time()

    def read(self) -> Usage:
        """The CPU time so far."""
        usage = Usage(
            elapsed_s=time.perf_counter() - self._began_s,
            server_cpu_s=cpu_s(self._server) - self._server_cpu_s,
            load_cpu_s=time.process_time() - self._load_cpu_s,
        )
        self._on_read()
        return usage


def cpu_s(process: psutil.Process) -> float:
    """The CPU time of a process so far, user and system."""
    times = process.cpu_times()
    return times.user + times.system
