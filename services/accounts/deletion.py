"""The use case of deleting an account; its trips stay."""

from models.trip_life import Party, TripStatus
from models.values import Role
from models.visibility import Actor
from services.accounts.confirmations import Confirmations
from services.accounts.email_tokens import end_all
from services.accounts.log_in import BadCredentials
from services.accounts.members_of_staff import check_not_last, lock_staff
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.dialects import Row
from services.drivers.vehicles import erase_copies
from services.errors import ErrorCode, UserFault
from services.events.outbox import Outbox, OutboxTransaction
from services.notifications.letters import Letters
from services.photos.account_photos import AccountPhotos
from services.runtime.shield import Shield
from services.trips import rows as trip_rows
from services.trips.commands import Trips


class TripUnderWay(UserFault):
    """The user has a trip under way that they cannot cancel. Trying again helps after it has ended."""

    code = ErrorCode.TRIP_UNDER_WAY
    retryable = True


class Deletions:
    """Deletes accounts of one application."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        shield: Shield,
        *,
        confirmations: Confirmations,
        photos: AccountPhotos,
        letters: Letters,
        sessions: Sessions,
        trips: Trips,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._shield = shield
        self._confirmations = confirmations
        self._photos = photos
        self._letters = letters
        self._sessions = sessions
        self._trips = trips

    async def delete(self, actor: Actor, *, password: str, address: str | None = None) -> None:
        """Delete the caller's account completely, or not at all.

        The names, the user name, the password, the e-mail address, the photo and the vehicle are erased, letters
        and their links too, and the user name becomes free. The trips stay for the other party, with a user
        without name, and without the driver's vehicle. A rider's trips are cancelled unless the ride has begun.
        All sessions end, and their sockets are closed.

        ``address``: the client's network; None: this machine.

        Raises:
            RateLimited: too many attempts from the address, or for the name; they count as log-ins.
            BadCredentials: the password is wrong.
            TripUnderWay: a driver has an active trip, or a rider is in the car.
            LastOfStaff: nobody else could use the admin.
            SessionEnded: the caller's session has ended. Of two simultaneous deletions one succeeds.
        """
        await self._confirmations.count(actor, address=address)
        wrong = BadCredentials("The password is wrong.", field=("password",))
        while True:
            row = await self._confirmations.verify(actor, password, "u.photo", "u.is_staff", wrong=wrong)
            if await self._shield.run(self._delete(actor, row)):
                return

    async def _delete(self, actor: Actor, row: Row) -> bool:
        """Delete the account; False if it has changed since the row was read."""
        async with self._outbox.transaction() as transaction:
            if row["is_staff"]:
                # First: two who leave at once would otherwise wait for each other.
                check_not_last(await lock_staff(transaction, self._database.sql), actor.id)
            # All earlier writes of the user are committed by now, and no new ones begin before the commit.
            await self._sessions.hold(transaction, actor)
            # No user name has a space in its key, so no new account can collide with a deleted one.
            forgotten = await transaction.fetch(
                "UPDATE users SET username = '', username_key = $2, username_skeleton = NULL, password_hash = '', "
                "first_name = 'Deleted', last_name = 'user', photo = NULL, vehicle = NULL, "
                "approval_reason = NULL, email = NULL, email_verified_at = NULL, is_active = $3, is_staff = $3, "
                "deleted = {now} "
                "WHERE id = $1 AND deleted IS NULL AND password_hash = $4 AND COALESCE(photo, '') = $5 "
                "AND is_staff = $6 "
                "RETURNING id",
                actor.id,
                f" {actor.id}",
                False,
                row["password_hash"],
                row["photo"] or "",
                bool(row["is_staff"]),
            )
            if not forgotten:
                return False
            if row["photo"] is not None:
                await self._photos.mark_for_removal(transaction, row["photo"])
            await end_all(transaction, actor.id)
            await self._letters.forget_user(transaction, actor.id)
            await self._cancel_trips(transaction, actor)
            if actor.user.role is Role.DRIVER:
                await erase_copies(transaction, actor.id)
            await self._sessions.end_all(transaction, actor.id)
        if row["photo"] is not None:
            await self._photos.remove(row["photo"])
        return True

    async def _cancel_trips(self, transaction: OutboxTransaction, actor: Actor) -> None:
        """Cancel the active trips that a rider may cancel.

        Raises:
            TripUnderWay: another one is active.
        """
        if actor.user.role is Role.RIDER:
            for trip_id in await trip_rows.active_ids(transaction, actor.id, actor.user.role):
                await self._trips.move(
                    transaction, trip_id=trip_id, status=TripStatus.CANCELLED, by=Party.RIDER, user_id=actor.id
                )
        if await trip_rows.active_ids(transaction, actor.id, actor.user.role):
            raise TripUnderWay("You have a trip under way. It must end first.")
