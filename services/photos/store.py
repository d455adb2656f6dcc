"""The photo store: named byte strings in a local folder, or in a bucket of an S3-compatible object store."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, cast

import structlog
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

if TYPE_CHECKING:
    from obstore import Attributes

SETTING = "TAXIRANK_MEDIA_URL"

# The only form of a name, so that none can leave the folder or the prefix.
_NAME = re.compile(r"[0-9a-f]{32}\.webp")

# How often a failing store is tried again.
RECHECK_INTERVAL_S = 5.0

_log = structlog.stdlib.get_logger(__name__)


def new_name() -> str:
    """A name for a photo, which nobody can guess."""
    return f"{token_hex(16)}.webp"


class StoreUnreachable(Exception):
    """The folder or bucket of the photos does not answer, or refuses. Trying again later may help."""


class PhotoStore:
    """Named, immutable byte strings, in a folder or a bucket.

    Writes are atomic: a reader sees the whole photo or none. An outage (``is_up``) begins with any failure, and
    ends with the next stored photo, because a full disk can still be read. Each of the two is one line in the log.
    """

    def __init__(self, objects: LocalStore | S3Store, *, attributes: Mapping[str, str] | None = None) -> None:
        """``attributes``: headers that a bucket keeps with each photo; a folder has none."""
        self._objects = objects
        self._attributes = cast("Attributes", dict(attributes)) if attributes is not None else None
        self.is_up = True

    async def check(self) -> None:
        """Check that the store can save and delete a photo.

        Raises:
            ValueError: the settings must change; the text is one line that says what to do.
            StoreUnreachable: it cannot at the moment.
        """
        if isinstance(self._objects, LocalStore):
            assert self._objects.prefix is not None
            _check_folder(Path(self._objects.prefix))
            return
        name = new_name()
        try:
            await self.put(name, b"")
            await self.delete(name)
        except StoreUnreachable as error:
            match error.__cause__:
                case FileNotFoundError():
                    raise ValueError("The media bucket does not exist: create it, or name another.") from error
                case PermissionDeniedError() | UnauthenticatedError():
                    raise ValueError(
                        "The media bucket cannot be written: give these keys write permission."
                    ) from error
                case _:
                    raise

    async def check_now(self) -> None:
        """Check the state of the store now."""
        try:
            await self.check()
        except (ValueError, StoreUnreachable) as error:
            self._begin_outage(error.__cause__ or error)
        else:
            self._end_outage()

    async def check_again(self) -> None:
        """During an outage, check whether it is over."""
        if not self.is_up:
            await self.check_now()

    async def put(self, name: str, data: bytes) -> None:
        """Store ``data`` under ``name``; replaces an existing photo of that name.

        Raises:
            ValueError: this can never be the name of a photo.
            StoreUnreachable
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a photo name: use 32 hexadecimal digits and .webp.")
        with self._noting_outages():
            await self._objects.put_async(name, data, attributes=self._attributes, use_multipart=False)
        self._end_outage()

    async def get(self, name: str) -> bytes | None:
        """Return the bytes under ``name``; None if there are none, or if no photo can have that name.

        Raises: StoreUnreachable
        """
        if not _NAME.fullmatch(name):
            return None
        with self._noting_outages():
            try:
                found = await self._objects.get_async(name)
                return bytes(await found.bytes_async())
            except FileNotFoundError:
                return None

    async def delete(self, name: str) -> None:
        """Delete the photo with that name, if there is one.

        Raises:
            StoreUnreachable
        """
        if not _NAME.fullmatch(name):
            return
        # A folder reports missing files, S3 does not.
        with self._noting_outages(), suppress(FileNotFoundError):
            await self._objects.delete_async(name)

    @contextmanager
    def _noting_outages(self) -> Generator[None]:
        """Raises: StoreUnreachable for every error of the store."""
        try:
            yield
        except (OSError, BaseError) as error:
            self._begin_outage(error)
            raise StoreUnreachable("The photo store does not answer.") from error

    def _begin_outage(self, error: BaseException) -> None:
        if self.is_up:
            self.is_up = False
            # obstore adds its whole configuration in further lines.
            text = str(error).strip().partition("\n")[0]
            _log.warning("the photo store fails", setting=SETTING, error=text)

    def _end_outage(self) -> None:
        if not self.is_up:
            self.is_up = True
            # Also a warning: each line is useless without the other.
            _log.warning("the photo store works again")


def _check_folder(folder: Path) -> None:
    """Raises: ValueError if no file can be created there."""
    # Not with obstore, which tries for ever if the folder has been deleted.
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise ValueError(
            f"The media folder {str(folder)!r} cannot be written ({error.strerror}): use one where this user "
            "may write, on a disk with free space."
        ) from error
