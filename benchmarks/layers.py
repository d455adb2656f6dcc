"""Which layer of the server uses the processor: samples of py-spy, counted by layer.

A sample counts for the innermost Python function that belongs to a layer. What functions in C use, and modules
that belong to no layer, counts for their caller; what remains is the event loop itself.
"""

import re
import signal
import subprocess
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import cores

SAMPLES_PER_S = 200
_STOP_TIMEOUT_S = 20.0

# Functions in C have the names of their source files, if the packages were built with them.
_LAYERS = {
    "transport": r"uvicorn/|httptools/|parser\.c|llhttp\.c|websockets/|starlette/|gateway/|schema/transport/"
    r"|application/asgi\.py",
    "reading the operation": r"graphql/(language|validation|utilities)/|schema/operations/(documents|limits|cost"
    r"|persisted_queries|trusted_documents)\.py",
    "GraphQL": r"<compiled operation>|graphql/|strawberry/|schema/",
    "Redis client": r"redis/|hiredis|(reader|read|sds|pack)\.[ch]|services/events/redis_",
    "database client": r"asyncpg/|protocol\.c|pgproto\.c|tortoise/|services/database/",
    "outbox and bus": r"broadcaster/|services/events/",
    "live delivery": r"services/live/",
    "use cases": r"services/(?!runtime/)|models/",
    "tasks and batches": r"asyncio/|_asynciomodule\.c|futures\.c|services/runtime/",
    "event loop and sockets": r"loop\.c|uvloop/|application/|server\.py",
}
_PATTERNS = {layer: re.compile(rf"\((?:{pattern})") for layer, pattern in _LAYERS.items()}
_PATTERNS["garbage collector"] = re.compile("^gc_")
LAYERS = tuple(_PATTERNS)
_OTHER_THREAD = "Thread._bootstrap ("


class Sampling:
    """Samples a process from its creation. py-spy runs on the core of the load, and still slows the process."""

    def __init__(self, pid: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._output = Path(self._folder.name) / "stacks"
        program = Path(sysconfig.get_path("scripts")) / "py-spy"
        options = {
            "pid": pid,
            "format": "raw",
            "rate": SAMPLES_PER_S,
            "duration": "unlimited",
            "output": self._output,
        }
        self._process = subprocess.Popen(
            [program, "record", "--native", *(f"--{name}={value}" for name, value in options.items())],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        cores.pin(self._process.pid, cores.LOAD_CORE)

    def end(self) -> Counter[str]:
        """Stop; returns the number of samples of each layer. Raises: SamplingFailed."""
        self._process.send_signal(signal.SIGINT)
        _, errors = self._process.communicate(timeout=_STOP_TIMEOUT_S)
        if not self._output.exists():
            raise SamplingFailed(errors.decode(errors="replace")[-500:])
        counted = count(self._output.read_text())
        self._folder.cleanup()
        return counted


class SamplingFailed(Exception):
    """py-spy made no profile. The text says why; usually the system forbids to look into another process."""


def count(raw: str) -> Counter[str]:
    """The samples of each layer, of the main thread.

    ``raw``: lines with a stack, the outermost function first, and its samples.
    """
    counted: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, samples = line.rpartition(" ")
        # Other threads wait for work, which py-spy takes for work.
        if _OTHER_THREAD not in stack:
            counted[_layer_of(stack.split(";"))] += int(samples)
    return counted


def _layer_of(stack: list[str]) -> str:
    for frame in reversed(stack):
        for layer, pattern in _PATTERNS.items():
            if pattern.search(frame):
                return layer
    return "event loop and sockets"


def profile_tables(profiles: Mapping[str, Sequence[Counter[str]]]) -> Iterator[str]:
    """The lines of a table: the share of each layer, in a column for each stretch that a workload measures."""
    columns = {
        f"{workload} {number}" if len(stretches) > 1 else workload: samples
        for workload, stretches in profiles.items()
        for number, samples in enumerate(stretches, 1)
    }
    yield f"{'':24}" + "".join(f"{name:>14}" for name in columns)
    for layer in LAYERS:
        shares = (samples[layer] / max(1, samples.total()) for samples in columns.values())
        yield f"{layer:24}" + "".join(f"{share:>14.1%}" for share in shares)
    yield f"{'samples':24}" + "".join(f"{samples.total():>14,}" for samples in columns.values())
