"""Lists that are too long to be made and encoded in one go."""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, Generic, TypeVar, cast

from services.runtime.fair_queue import FairQueue
from services.runtime.pieces import Pieces

V = TypeVar("V")
R = TypeVar("R")

# How many items are made and encoded in one iteration of the event loop: about a millisecond.
AT_ONCE = 64
# The same for graphql-core, which executes field by field.
EXECUTED_AT_ONCE = 8
# The metadata of a field that may return a LongList.
LONG = {"is_long": True}


class LongList(Generic[V, R]):
    """The items of a list field of an event, made when they are asked for, some at a time.

    Of all lists with the same ``turns`` one piece is made in an iteration of the event loop. graphql-core takes it
    as an asynchronous list; compiled operations take its pieces if the field has the metadata ``LONG``.
    """

    __slots__ = ("_turns", "_values", "make")

    def __init__(self, values: Collection[V], make: Callable[[V], R], turns: FairQueue) -> None:
        """``make`` makes an item of a value."""
        self._values = values
        self.make = make
        self._turns = turns

    def pieces(self) -> Pieces[V]:
        """The values, some at a time."""
        return Pieces(self._values, AT_ONCE, turn=self._turns.turn)

    async def __aiter__(self) -> AsyncIterator[R]:
        """The items one by one, for graphql-core."""
        async for some in Pieces(self._values, EXECUTED_AT_ONCE, turn=self._turns.turn):
            for value in some:
                yield self.make(value)


def long_list(values: Collection[V], make: Callable[[V], R], turns: FairQueue) -> list[R]:
    """The list of what ``make`` makes of the values: at once if it is short, otherwise a LongList."""
    if len(values) <= AT_ONCE:
        return [make(value) for value in values]
    return cast("Any", LongList(values, make, turns))
