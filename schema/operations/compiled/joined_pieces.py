"""Completes and encodes a long list some items at a time."""

from collections.abc import Callable
from typing import Any

import orjson

from schema.api.long_list import LongList
from schema.operations.compiled.plan import Run


async def joined(items: LongList[Any, Any], complete: Callable[[Any, Run], Any], run: Run) -> orjson.Fragment:
    """The JSON of the list: the same bytes as if it was encoded with the answer.

    Raises: any Exception of ``complete``; graphql-core then has to make the answer.
    """
    pieces: list[bytes] = []
    async for piece in items.pieces():
        own = Run(run.info, run.variables)
        try:
            answers = [complete(items.make(value), own) for value in piece]
            if own.awaited:
                await own.settle()
        finally:
            own.abandon()
        pieces.append(orjson.dumps(answers)[1:-1])
    return orjson.Fragment(b"[%b]" % b",".join(pieces))


def as_it_is(value: Any, _: Run) -> Any:
    """Completes what ``joined`` has made."""
    return value
