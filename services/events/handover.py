"""The step from the outbox to background work, such as webhooks: no published change is lost in between."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.database.connections import Database

# How long a process relies on its knowledge of whether anybody wants the changes, in seconds.
LOOK_INTERVAL_S = 2.0
# Every process hands over all changes that are made this long after somebody begins to want them, in seconds.
HEARD_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Recipient:
    """A kind of background work on published changes.

    ``wanted``: an SQL condition: whether there is anybody to work for. ``insert``: an ``INSERT … SELECT`` that
    writes the rows of work from ``published``, the outbox rows whose changes were just published (the columns of
    ``models/outbox.py``). It needs ``WHERE`` before an ``ON CONFLICT``, and must not fail because of a repetition.
    ``wake``: called after the commit.
    """

    wanted: str
    insert: str
    wake: Callable[[], None]


class Handover:
    """Deletes the outbox rows of published changes, and writes rows of background work from them.

    Both are one transaction: a process that dies before it leaves the outbox rows to the sweep; afterwards the
    rows of work exist. Each outbox row is handed over once, whoever publishes its change, and however often. While
    nobody wants them, the rows are only deleted. To find that out costs at most one statement every
    ``LOOK_INTERVAL_S``.
    """

    def __init__(self, database: Database, recipients: Sequence[Recipient] = ()) -> None:
        self._database = database
        self._recipients = recipients
        self._is_wanted = False
        # Until when that is known (``time.monotonic``).
        self._known_until = 0.0

    def expect(self) -> None:
        """Call this after the commit that makes somebody want the changes: this process knows it immediately.

        The others know it after ``HEARD_AFTER_S``.
        """
        self._known_until = 0.0

    async def published(self, note_ids: Sequence[int]) -> None:
        """Delete these outbox rows and hand over their changes. They must have been published."""
        if not self._recipients or not await self._find_out():
            await self._database.fetch(f"DELETE FROM outbox WHERE {self._among}", list(note_ids))
            return
        if self._database.sql.writes_with_reads:
            await self._hand_over_at_once(note_ids)
        else:
            await self._hand_over_in_steps(note_ids)
        for recipient in self._recipients:
            recipient.wake()

    @property
    def _among(self) -> str:
        return self._database.sql.among("id", 1)

    async def _find_out(self) -> bool:
        if (now := time.monotonic()) >= self._known_until:
            # Before the read, so that `expect` is not overwritten by what was read before it.
            self._known_until = now + LOOK_INTERVAL_S
            try:
                (row,) = await self._database.fetch(
                    f"SELECT {' OR '.join(f'({recipient.wanted})' for recipient in self._recipients)} AS is_wanted"
                )
            except BaseException:
                self._known_until = 0.0
                raise
            self._is_wanted = bool(row["is_wanted"])
        return self._is_wanted

    async def _hand_over_at_once(self, note_ids: Sequence[int]) -> None:
        work = ", ".join(f"work{n} AS ({recipient.insert})" for n, recipient in enumerate(self._recipients))
        await self._database.fetch(
            f"WITH published AS (DELETE FROM outbox WHERE {self._among} RETURNING *), {work} SELECT 1 AS one",
            list(note_ids),
        )

    async def _hand_over_in_steps(self, note_ids: Sequence[int]) -> None:
        async with self._database.transaction() as transaction:
            for recipient in self._recipients:
                await transaction.fetch(
                    f"WITH published AS (SELECT * FROM outbox WHERE {self._among}) {recipient.insert}",
                    list(note_ids),
                )
            await transaction.fetch(f"DELETE FROM outbox WHERE {self._among}", list(note_ids))
