"""Lends the connections of Tortoise's pool, and lets them go from hand to hand while others wait."""

from typing import Any

from services.database.turns import Turns


class Lender:
    """Lends the pool's connections as Tortoise's client does: ``async with lender.acquire_connection() as link``.

    While others wait for their turn, whoever is ready leaves its connection to the next of them. To release it and
    to acquire it again takes a task and two timers, and as long as all else that a small statement costs here.
    """

    def __init__(self, client: Any, turns: Turns) -> None:
        """``turns``: a borrower has one of them before it asks, and gives it back afterwards."""
        self._client = client
        self._turns = turns
        # Those that are kept for whoever comes next.
        self._kept: list[_Loan] = []
        self.generation = 0

    def acquire_connection(self) -> "_Loan":
        """A connection for one block. After an exception in the block the pool checks it."""
        kept = self._kept.pop() if self._kept else None
        return kept or _Loan(self, self._client.acquire_connection())

    def expire(self) -> None:
        """Return to the pool, at the end of its block, each connection that is lent now."""
        self.generation += 1

    async def return_all(self) -> None:
        """Return to the pool what is kept."""
        while self._kept:
            await self._kept.pop().end()

    async def take_back(self, loan: "_Loan", *, was_well: bool) -> None:
        """The block of this loan has ended; ``was_well``: without an exception."""
        if was_well and loan.is_sound and len(self._kept) < self._turns.waiting:
            self._kept.append(loan)
            return
        try:
            await loan.end()
        finally:
            if not self._turns.waiting:
                # It was kept for somebody who does not wait any more.
                await self.return_all()


class _Loan:
    """A connection that is lent, to one block after the other."""

    __slots__ = ("_generation", "_has_begun", "_lender", "_pooled")

    def __init__(self, lender: Lender, pooled: Any) -> None:
        """``pooled``: Tortoise's context of a connection."""
        self._lender = lender
        self._pooled = pooled
        self._has_begun = False

    @property
    def is_sound(self) -> bool:
        """Whether it may be lent once more."""
        return self._generation == self._lender.generation and not self._pooled.connection.is_closed()

    async def __aenter__(self) -> Any:
        if self._has_begun and not self.is_sound:
            await self.end()
        if not self._has_begun:
            self._generation = self._lender.generation
            await self._pooled.__aenter__()
            self._has_begun = True
        return self._pooled.connection

    async def __aexit__(self, kind: object, *_: object) -> None:
        await self._lender.take_back(self, was_well=kind is None)

    async def end(self) -> None:
        """Return it to the pool."""
        self._has_begun = False
        await self._pooled.__aexit__(None, None, None)
