"""The use case of changing the names and the photo."""

from enum import Enum
from typing import Final, Literal

from models.values import UserValue
from models.visibility import Actor
from services.accounts.accounts import PhotoRequired
from services.accounts.names import checked_name
from services.accounts.sessions import Sessions
from services.accounts.users import user_of
from services.database.connections import Database
from services.limits.throttle import PerUser
from services.photos.account_photos import AccountPhotos
from services.runtime.shield import Shield


class Unchanged(Enum):
    """Marks a field to leave unchanged, because None means to remove it."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


class Profiles:
    """Profiles of one application: names and photos."""

    def __init__(
        self,
        database: Database,
        shield: Shield,
        *,
        sessions: Sessions,
        photos: AccountPhotos,
        photo_required: bool,
        changing: PerUser,
    ) -> None:
        """``changing``: how often a user may change anything of their own."""
        self._database = database
        self._sessions = sessions
        self._shield = shield
        self._photos = photos
        self._photo_required = photo_required
        self._changing = changing

    async def update(
        self,
        actor: Actor,
        *,
        first_name: str | Literal[Unchanged.UNCHANGED] = UNCHANGED,
        last_name: str | Literal[Unchanged.UNCHANGED] = UNCHANGED,
        photo: bytes | Literal[Unchanged.UNCHANGED] | None = UNCHANGED,
    ) -> UserValue:
        """Change the caller's names and photo, all of them or none; None removes the photo.

        The previous photo is removed from the store after the commit: of simultaneous changes exactly one photo
        remains. The change is no event: other users see it with the next change of a trip, and with every snapshot
        and query.

        Raises:
            RateLimited: the caller changes things too often.
            PhotoRequired: this server requires a photo.
            PhotoInvalid, PhotoTooLarge, PhotosUnavailable: see ``AccountPhotos.store``.
            BadInput: a name is empty, too long, or has invisible characters.
            SessionEnded: the caller's session has ended.
        """
        await self._changing.count(actor)
        first = checked_name(first_name, "firstName") if first_name is not UNCHANGED else None
        last = checked_name(last_name, "lastName") if last_name is not UNCHANGED else None
        if photo is None and self._photo_required:
            raise PhotoRequired("A photo is required.", field=("photo",))
        return await self._shield.run(self._update(actor, first, last, photo))

    async def _update(
        self,
        actor: Actor,
        first_name: str | None,
        last_name: str | None,
        photo: bytes | Literal[Unchanged.UNCHANGED] | None,
    ) -> UserValue:
        stored = await self._photos.store(photo) if isinstance(photo, bytes) else None
        try:
            user, former = await self._write(actor, first_name, last_name, stored, keeps_photo=photo is UNCHANGED)
        except BaseException:
            if stored is not None:
                await self._photos.discard(stored)
            raise
        if former is not None and former != user.photo:
            await self._photos.remove(former)
        return user

    async def _write(
        self,
        actor: Actor,
        first_name: str | None,
        last_name: str | None,
        photo: str | None,
        *,
        keeps_photo: bool,
    ) -> tuple[UserValue, str | None]:
        """Returns the user after the change, and the previous photo."""
        changes = "first_name = COALESCE($2, first_name), last_name = COALESCE($3, last_name)"
        args: list[object] = [actor.id, first_name, last_name]
        if not keeps_photo:
            changes += ", photo = $6"
        caller = self._sessions.live_sql("$5") + self._sessions.user_lock_sql
        while True:
            found = await self._sessions.require(self._database, actor.session_id, "u.photo")
            former: str | None = found["photo"]
            async with self._database.transaction() as transaction:
                # Remove only the photo that this statement has replaced: simultaneous changes must neither leave a
                # photo without an account nor remove the current one.
                written = await transaction.fetch(
                    f"WITH caller AS ({caller}) UPDATE users SET {changes} WHERE id = $1 "
                    "AND COALESCE(photo, '') = $4 AND EXISTS (SELECT 1 FROM caller) "
                    "RETURNING id, username, first_name, last_name, role, photo",
                    *args,
                    former or "",
                    actor.session_id,
                    *([] if keeps_photo else [photo]),
                )
                if written and not keeps_photo:
                    if photo is not None:
                        await self._photos.attach(transaction, photo)
                    if former is not None:
                        await self._photos.mark_for_removal(transaction, former)
            if written:
                return user_of(written[0]), former
