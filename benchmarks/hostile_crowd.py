"""A process of hostile sockets, so that their own CPU time is not counted as the server's.

Reads its parameters from standard input, as one line of JSON. Prints a line when all sockets have tried to
connect, attacks until the next line arrives, and prints the results.
"""

import asyncio
import gc
import os
import sys
from collections import Counter, defaultdict

import orjson
import uvloop

from benchmarks import cores
from benchmarks.hostile_socket import Kind, crowd

OPEN_AT_ONCE = 50
# The honest clients run on the same core and take precedence.
NICE = 10


async def play(port: int, tokens: list[str], sockets: int) -> None:
    """Connect, attack the server, and disconnect when a line arrives."""
    ended: defaultdict[Kind, Counter[int]] = defaultdict(Counter)
    hostile = crowd(port, tokens, sockets, lambda kind: ended[kind])
    for first in range(0, len(hostile), OPEN_AT_ONCE):
        await asyncio.gather(*(each.come() for each in hostile[first : first + OPEN_AT_ONCE]))
    print("come", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    held = sum(each.is_open for each in hostile)
    for each in hostile:
        each.leave()
    counts = {kind.name: {str(code): count for code, count in codes.items()} for kind, codes in ended.items()}
    print(orjson.dumps({"open": held, "ended": counts}).decode(), flush=True)


def main() -> None:
    """Run the process."""
    os.nice(NICE)
    cores.pin(os.getpid(), cores.LOAD_CORE)
    gc.disable()
    uvloop.run(play(**orjson.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
