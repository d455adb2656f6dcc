"""Keeps the photo store consistent with the accounts."""

from collections.abc import Sequence

import structlog

from services.database.connections import Database, Source
from services.database.dialects import Row
from services.errors import DatabaseUnavailable, ErrorCode, UserFault
from services.photos.processing import PhotoProcessor
from services.photos.store import PhotoStore, StoreUnreachable, new_name
from services.runtime.counters import Counters

_log = structlog.stdlib.get_logger(__name__)

# Much longer than the longest upload with its transaction.
UNREFERENCED_MAX_S = 3600
SWEEP_LIMIT = 100


class PhotosUnavailable(UserFault):
    """No photo can be stored at the moment. The same request may succeed without a photo, or later."""

    code = ErrorCode.PHOTOS_UNAVAILABLE
    retryable = True


class UploadExpired(Exception):
    """The photo was marked for removal before an account got it: its upload took over an hour."""


class AccountPhotos:
    """Stores photos for accounts and removes photos without an account.

    The store takes no part in transactions. Every photo that may be in the store without an account has a row of
    ``unreferenced_photos``. So no photo stays for ever or is lost, even if a process dies or the store or the
    database is away. A photo without a row belongs to an account.
    """

    def __init__(
        self, database: Database, processor: PhotoProcessor, store: PhotoStore, counters: Counters
    ) -> None:
        self._database = database
        self._processor = processor
        self._store = store
        self._counters = counters

    async def store(self, data: bytes) -> str:
        """Store an uploaded photo for an account and return its name. Call ``attach`` or ``discard`` afterwards.

        Raises:
            PhotoTooLarge, PhotoInvalid: see ``PhotoProcessor.process``.
            PhotosUnavailable: the store does not answer, or is full.
        """
        photo, name = await self._processor.process(data), new_name()
        await self._database.fetch(
            "INSERT INTO unreferenced_photos (name, since, doomed) VALUES ($1, {now}, $2)", name, False
        )
        try:
            await self._store.put(name, photo)
        except StoreUnreachable as error:
            raise PhotosUnavailable("Photos cannot be stored at the moment.", field=("photo",)) from error
        return name

    async def attach(self, transaction: Source, name: str) -> None:
        """Give the photo to an account in this transaction.

        Raises:
            UploadExpired: it is marked for removal; the transaction must fail.
        """
        if not await transaction.fetch(
            "DELETE FROM unreferenced_photos WHERE name = $1 AND doomed = $2 RETURNING name",
            name,
            False,
        ):
            raise UploadExpired(name)

    async def mark_for_removal(self, transaction: Source, name: str) -> None:
        """Mark the photo for removal in this transaction. Call ``remove`` after the commit."""
        await transaction.fetch(
            "INSERT INTO unreferenced_photos (name, since, doomed) VALUES ($1, {now}, $2)", name, True
        )

    async def discard(self, name: str) -> None:
        """Remove the photo of a failed transaction, unless it was committed nevertheless. Never raises.

        If the connection breaks during the commit, the commit may have succeeded.
        """
        try:
            # Waits for a transaction that is still running and has deleted the row.
            doomed = await self._database.fetch(
                "UPDATE unreferenced_photos SET doomed = $2 WHERE name = $1 RETURNING name", name, True
            )
            if not doomed and await self._database.fetch("SELECT 1 AS one FROM users WHERE photo = $1", name):
                return
        except Exception as error:
            _log.warning("a photo could not be removed yet", photo=name, error=str(error))
            return
        await self.remove(name)

    async def remove(self, name: str) -> None:
        """Remove a photo that no account can get any more; later, if the store is away. Never raises."""
        try:
            await self._remove(name)
        except Exception as error:
            _log.warning("a photo could not be removed yet", photo=name, error=str(error))

    async def unreferenced(self) -> int:
        """The number of photos that may be in the store without an account, including uploads under way."""
        rows = await self._database.fetch("SELECT count(*) AS number FROM unreferenced_photos")
        return rows[0]["number"]

    async def sweep(self) -> None:
        """Remove photos without an account. Several processes may do so at the same time."""
        await self._database.fetch(
            f"UPDATE unreferenced_photos SET doomed = $1 WHERE doomed = $2 "
            f"AND since < {self._database.sql.ago(UNREFERENCED_MAX_S)}",
            True,
            False,
        )
        removed, failed, last = 0, "", ""
        while not failed and (rows := await self._doomed(after=last)):
            for row in rows:
                last = row["name"]
                try:
                    removed += await self._remove(last)
                except DatabaseUnavailable:
                    raise
                except Exception as error:
                    failed = str(error)
        if failed:
            _log.warning("photos could not be removed yet", error=failed)
        if removed:
            self._counters.left_over_photos += removed
            _log.info("removed photos without an account", photos=removed)

    async def _doomed(self, *, after: str) -> Sequence[Row]:
        return await self._database.fetch(
            "SELECT name FROM unreferenced_photos WHERE doomed = $1 AND name > $2 "
            f"ORDER BY name LIMIT {SWEEP_LIMIT}",
            True,
            after,
        )

    async def _remove(self, name: str) -> bool:
        """Returns whether this process removed it. Its row stays if the store fails. Raises: StoreUnreachable."""
        await self._store.delete(name)
        return bool(
            await self._database.fetch("DELETE FROM unreferenced_photos WHERE name = $1 RETURNING name", name)
        )
