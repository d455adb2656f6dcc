"""The rows of letters: written by use cases, claimed by the worker."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from models.letter import LetterKind
from services.database.claims import claim_sql
from services.database.connections import Database, Source
from services.database.deleting import delete_all
from services.database.dialects import Row, moment, uuid

# An account gets a letter of one kind at one address once in this time. A letter that may have been delivered, but
# was not confirmed, is sent again only afterwards.
REPEAT_S = 3600
# Longer than all that comes before the text of a letter is handed over (see ``mailer.TIMEOUT_S``). If a process
# dies before that, another process tries again after this time.
CLAIM_S = 120
# A letter that could not be sent for so long is given up.
MAX_AGE_S = 24 * 3600
FIRST_RETRY_S = 60
# A letter to a name is taken up after a random time of up to so many seconds.
SPREAD_S = 5


@dataclass(frozen=True, slots=True)
class DueLetter:
    """A claimed letter. It has a ``username_key``, or a ``user_id`` and an ``address``."""

    id: int
    kind: LetterKind
    username_key: str | None
    user_id: UUID | None
    address: str | None
    attempts: int
    is_too_old: bool

    @property
    def retry_s(self) -> int:
        """How long to wait before the next attempt: a minute, then twice as long each time, up to an hour."""
        return min(FIRST_RETRY_S * 2 ** min(self.attempts - 1, 10), REPEAT_S)


class Letters:
    """The table of letters."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.added = asyncio.Event()

    def wake(self) -> None:
        """Call this after the commit of a letter that should not wait: this process sends it now."""
        self.added.set()

    async def add(self, source: Source, kind: LetterKind, *, user_id: UUID, address: str) -> bool:
        """Write a letter in the caller's transaction.

        Returns whether it is new: the account gets the same letter once in ``REPEAT_S``.
        """
        await self._forget_old(source, user_id, kind)
        added = await source.fetch(
            "INSERT INTO letters (kind, user_id, address, created, due, attempts) "
            "VALUES ($1, $2, $3, {now}, {now}, 0) ON CONFLICT DO NOTHING RETURNING id",
            kind,
            user_id,
            address,
        )
        return bool(added)

    async def add_for_name(self, kind: LetterKind, username_key: str) -> None:
        """Write a letter to whoever has that user name, if anybody. It is the same work for every name.

        Sending it is more work if somebody has the name, and delays other answers. So that happens at a random
        moment: who has asked cannot tell it from the work for others.
        """
        due = self._database.sql.ago(-1 - secrets.randbelow(SPREAD_S))
        await self._database.fetch(
            f"INSERT INTO letters (kind, username_key, created, due, attempts) VALUES ($1, $2, {{now}}, {due}, 0)",
            kind,
            username_key,
        )

    async def claim(self, at_most: int) -> Sequence[DueLetter]:
        """Take up letters that are due, the oldest first. No other process gets them for ``CLAIM_S``."""
        sql = self._database.sql
        claim = claim_sql(sql, "letters", waiting="sent IS NULL", at_most=at_most, for_s=CLAIM_S)
        rows = await self._database.fetch(
            f"{claim} RETURNING id, kind, username_key, user_id, address, attempts, "
            f"created < {sql.ago(MAX_AGE_S)} AS is_too_old",
        )
        return sorted(map(_due_letter, rows), key=lambda letter: letter.id)

    async def address_to(self, transaction: Source, letter: DueLetter, *, user_id: UUID, address: str) -> None:
        """Fill in the account of a letter that was written for a name.

        Raises:
            Conflict: the account got the same letter within ``REPEAT_S``, or is about to get it. The transaction
                must fail.
        """
        if letter.user_id is not None:
            return
        await self._forget_old(transaction, user_id, letter.kind)
        await transaction.fetch(
            "UPDATE letters SET user_id = $2, address = $3, username_key = NULL WHERE id = $1",
            letter.id,
            user_id,
            address,
        )

    async def handing_over(self, letter: DueLetter, source: Source | None = None) -> None:
        """Call this before the text is sent: if the outcome stays unknown, the letter waits for ``REPEAT_S``."""
        await self._later(letter, REPEAT_S, source)

    async def sent(self, letter: DueLetter) -> None:
        """The letter was accepted."""
        await self._database.fetch("UPDATE letters SET sent = {now} WHERE id = $1", letter.id)

    async def retry(self, letter: DueLetter, *, after_s: int) -> None:
        """The letter was certainly not accepted: try it again."""
        await self._later(letter, after_s)

    async def drop(self, letter: DueLetter) -> None:
        """The letter will not be sent."""
        await self._database.fetch("DELETE FROM letters WHERE id = $1", letter.id)

    async def sent_lately(self, source: Source, kind: LetterKind, address: str) -> int:
        """How many letters of that kind the address got within ``REPEAT_S``, in any case, from all accounts.

        Letters of deleted accounts count.
        """
        rows = await source.fetch(
            "SELECT count(*) AS number FROM letters WHERE kind = $1 "
            f"AND (lower(address) = lower($2) OR address = $3) AND sent > {self._database.sql.ago(REPEAT_S)}",
            kind,
            address,
            _digest(address),
        )
        return rows[0]["number"]

    async def withdraw(self, transaction: Source, kind: LetterKind, *, user_id: UUID) -> None:
        """Delete the letters of that kind that were not sent to an account yet."""
        await transaction.fetch(
            "DELETE FROM letters WHERE user_id = $1 AND kind = $2 AND sent IS NULL", user_id, kind
        )

    async def forget_user(self, transaction: Source, user_id: UUID) -> None:
        """Delete the letters of an account.

        Of letters that ask to confirm an address, a hash of the address stays for ``REPEAT_S``: whoever deletes
        accounts and creates new ones must not send more of them to one address (see ``sent_lately``).
        """
        kept = await transaction.fetch(
            "SELECT id, address FROM letters WHERE user_id = $1 AND kind = $2 AND sent IS NOT NULL",
            user_id,
            LetterKind.VERIFY_EMAIL,
        )
        await transaction.fetch(
            "DELETE FROM letters WHERE user_id = $1 AND (kind <> $2 OR sent IS NULL)",
            user_id,
            LetterKind.VERIFY_EMAIL,
        )
        for row in kept:
            await transaction.fetch(
                "UPDATE letters SET address = $2 WHERE id = $1", row["id"], _digest(row["address"])
            )

    async def oldest_age_s(self) -> float:
        """How long the oldest letter has waited to be sent, in seconds; 0 when none waits."""
        rows = await self._database.fetch(
            "SELECT {now} AS now, min(created) AS oldest FROM letters WHERE sent IS NULL"
        )
        oldest = rows[0]["oldest"]
        return (moment(rows[0]["now"]) - moment(oldest)).total_seconds() if oldest is not None else 0.0

    async def waiting(self) -> float:
        """The number of letters that wait to be sent."""
        rows = await self._database.fetch("SELECT count(*) AS number FROM letters WHERE sent IS NULL")
        return rows[0]["number"]

    async def remove_old(self) -> None:
        """Delete the rows of letters that were sent ``REPEAT_S`` ago."""
        await delete_all(self._database, "letters", f"sent < {self._database.sql.ago(REPEAT_S)}")

    async def _forget_old(self, source: Source, user_id: UUID, kind: LetterKind) -> None:
        await source.fetch(
            f"DELETE FROM letters WHERE user_id = $1 AND kind = $2 AND sent < {self._database.sql.ago(REPEAT_S)}",
            user_id,
            kind,
        )

    async def _later(self, letter: DueLetter, after_s: int, source: Source | None = None) -> None:
        await (source or self._database).fetch(
            f"UPDATE letters SET due = {self._database.sql.ago(-after_s)} WHERE id = $1 AND sent IS NULL",
            letter.id,
        )


def _digest(address: str) -> str:
    return hashlib.sha256(address.lower().encode()).hexdigest()


def _due_letter(row: Row) -> DueLetter:
    return DueLetter(
        id=row["id"],
        kind=LetterKind(row["kind"]),
        username_key=row["username_key"],
        user_id=uuid(row["user_id"]) if row["user_id"] is not None else None,
        address=row["address"],
        attempts=row["attempts"],
        is_too_old=bool(row["is_too_old"]),
    )
