"""The use cases of staff, for the admin. Each writes a row of the audit trail in its transaction.

Longer than 300 lines because all of them are here, each with its guarantees and errors.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from models.geo import GeoPoint
from models.letter import LetterKind
from models.staff_action import StaffActionKind
from models.trip_life import STAFF_CANCEL_CODES, CancelCode, Party, TripStatus, has_ended, transitions
from models.values import Role, TripValue, UserValue
from models.visibility import Actor
from services.accounts.accounts import Accounts
from services.accounts.email_tokens import end_all
from services.accounts.log_in import BadCredentials, LogIns
from services.accounts.sessions import NewSession, Sessions
from services.accounts.users import user_of
from services.database.connections import Database, Transaction
from services.database.dialects import moment
from services.errors import BadInput, SessionEnded
from services.events.outbox import Outbox, OutboxTransaction
from services.notifications.letters import Letters
from services.runtime.shield import Shield
from services.staff.personal_data import PersonalData
from services.staff.reads import StaffReads
from services.staff.trail import NotStaff, StaffTrail
from services.trips import rows as trip_rows
from services.trips.checks import checked_reason
from services.trips.commands import Trips
from services.trips.faults import IllegalTransition, TripNotFound


@dataclass(frozen=True, slots=True)
class StaffMember:
    """The calling member of staff, within one session."""

    actor: Actor


_ENDS = {
    TripStatus.CANCELLED: StaffActionKind.CANCEL_TRIP,
    TripStatus.COMPLETED: StaffActionKind.COMPLETE_TRIP,
}


class NoSuchUser(Exception):
    """There is no such user, or the account was deleted."""

    message = "There is no such user."


class NoVerifiedEmail(Exception):
    """The account has no verified e-mail address."""

    message = "This user has no verified e-mail address."


class LetterSentLately(Exception):
    """The user has got the same letter within an hour."""

    message = "This user has got such a letter within an hour."


class NoSuchSession(Exception):
    """The user has no such session, or none at all."""

    message = "The session has ended already."


class NotOneself(Exception):
    """Staff cannot deactivate their own account."""

    message = "You cannot deactivate yourself."


class Staff:
    """The use cases of staff."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        shield: Shield,
        *,
        accounts: Accounts,
        log_ins: LogIns,
        sessions: Sessions,
        trips: Trips,
        letters: Letters,
        personal_data: PersonalData,
        reads: StaffReads,
    ) -> None:
        self.reads = reads
        self._database = database
        self._outbox = outbox
        self._shield = shield
        self._accounts = accounts
        self._log_ins = log_ins
        self._sessions = sessions
        self._trips = trips
        self._letters = letters
        self._personal_data = personal_data
        self._trail = StaffTrail(sessions)

    async def log_in(
        self, *, username: str, password: str, address: str | None, replaces: str | None
    ) -> NewSession:
        """Begin a session, as ``LogIns.log_in`` does, but only for staff.

        Raises:
            RateLimited, BadCredentials: as ``LogIns.log_in`` does.
        """
        session = await self._log_ins.log_in(
            username=username, password=password, address=address, replaces=replaces, staff_only=True
        )
        try:
            await self._shield.run(self._note_log_in(session.actor))
        except (NotStaff, SessionEnded):
            # Deactivated or deleted since the password was verified.
            raise BadCredentials("The user name or the password is wrong.") from None
        return session

    async def log_out(self, member: StaffMember) -> None:
        """End the session; idempotent."""
        with suppress(SessionEnded):
            await self._sessions.end(member.actor)

    async def member(self, token: str) -> StaffMember | None:
        """The member of staff whose live session the token belongs to; None if there is none.

        The first time in a session that was not begun by ``log_in``, the audit trail gets its entry.
        """
        actor = await self._sessions.actor_of(token)
        if actor is None:
            return None
        rows = await self._database.fetch(
            "SELECT s.admin_opened FROM users u JOIN sessions s ON s.user_id = u.id "
            "WHERE s.id = $1 AND u.is_staff = $2 AND u.is_active = $2",
            actor.session_id,
            True,
        )
        if not rows:
            return None
        if rows[0]["admin_opened"] is None:
            try:
                await self._shield.run(self._note_log_in(actor, is_of_api=True))
            except (NotStaff, SessionEnded):
                return None
        return StaffMember(actor)

    async def _note_log_in(self, actor: Actor, *, is_of_api: bool = False) -> None:
        """Write the entry of a session that opens the admin, once. Raises: NotStaff, SessionEnded."""
        # The user first, as everywhere.
        lock = self._database.sql.locked("KEY SHARE OF u FOR NO KEY UPDATE OF s")
        async with self._database.transaction() as transaction:
            session = await self._sessions.require(
                transaction, actor.session_id, "s.created, s.admin_opened", lock=lock
            )
            if session["admin_opened"] is not None:
                return
            began = f"{moment(session['created']):%Y-%m-%d %H:%M} UTC"
            await self._trail.record(
                transaction,
                actor,
                StaffActionKind.LOG_IN,
                detail=f"with a session of the API that began at {began}" if is_of_api else "",
            )
            await transaction.fetch("UPDATE sessions SET admin_opened = {now} WHERE id = $1", actor.session_id)

    async def add_user(
        self,
        member: StaffMember,
        *,
        username: str,
        password: str,
        first_name: str,
        last_name: str,
        role: Role,
        photo: bytes | None = None,
    ) -> UserValue:
        """Create an account, with the rules of a sign-up.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            UserFaults, BadInput: as ``Accounts.sign_up`` does.
        """

        async def also(transaction: Transaction, user: UserValue) -> None:
            await self._trail.record(transaction, member.actor, StaffActionKind.ADD_USER, user_id=user.id)

        return await self._accounts.add(
            username=username,
            password=password,
            first_name=first_name,
            last_name=last_name,
            role=role,
            photo=photo,
            also=also,
        )

    async def deactivate(self, member: StaffMember, *, user_id: UUID) -> None:
        """End a user's sessions and the links of their letters, close their sockets, and refuse their log-ins.

        Idempotent. Their trips continue.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            NoSuchUser: there is none, or it was deleted.
            NotOneself: it is the caller.
        """
        if user_id == member.actor.id:
            raise NotOneself
        await self._shield.run(self._set_active(member, user_id, is_active=False))

    async def reactivate(self, member: StaffMember, *, user_id: UUID) -> None:
        """Let a user log in again; idempotent.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            NoSuchUser: there is none, or it was deleted.
        """
        await self._shield.run(self._set_active(member, user_id, is_active=True))

    async def end_sessions(self, member: StaffMember, *, user_id: UUID, session_id: UUID | None = None) -> int:
        """End one session of a user, or all; their sockets close on every server. Returns how many have ended.

        The account stays active: its owner can log in again.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            NoSuchSession: there is nothing to end.
        """
        return await self._shield.run(self._end_sessions(member, user_id, session_id))

    async def _end_sessions(self, member: StaffMember, user_id: UUID, session_id: UUID | None) -> int:
        async with self._outbox.transaction() as transaction:
            await self._lock_both(transaction, member, user_id)
            one = " AND id = $2" if session_id is not None else ""
            found = await transaction.fetch(
                f"SELECT id FROM sessions WHERE user_id = $1{one}",
                user_id,
                *([session_id] if session_id is not None else []),
            )
            which = f"session {str(session_id)[:8]}" if session_id is not None else f"all {len(found)} sessions"
            # Before the end, which may be that of the caller's own session.
            await self._trail.record(
                transaction,
                member.actor,
                StaffActionKind.END_SESSIONS,
                user_id=user_id,
                detail=which,
            )
            if not found:
                raise NoSuchSession
            ended = await transaction.fetch(
                f"DELETE FROM sessions WHERE user_id = $1{one} RETURNING id, user_id",
                user_id,
                *([session_id] if session_id is not None else []),
            )
            await transaction.end_sessions(ended)
        return len(ended)

    async def _lock_both(self, transaction: OutboxTransaction, member: StaffMember, user_id: UUID) -> None:
        """Lock both users in one order: if two members act on each other at once, exactly one succeeds."""
        if not self._database.sql.writes_one_by_one:
            lock = self._database.sql.locked("NO KEY UPDATE")
            await transaction.fetch(
                f"SELECT id FROM users WHERE id IN ($1, $2) ORDER BY id{lock}", member.actor.id, user_id
            )

    async def send_password_reset(self, member: StaffMember, *, user_id: UUID) -> None:
        """Send a letter with a link that resets the password to a user's verified address.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            NoSuchUser: there is none, it is not active, or it was deleted.
            NoVerifiedEmail: the account has no verified address.
            LetterSentLately: the user has got such a letter within an hour.
        """
        await self._shield.run(self._send_password_reset(member, user_id))
        self._letters.wake()

    async def _send_password_reset(self, member: StaffMember, user_id: UUID) -> None:
        lock = self._database.sql.locked("KEY SHARE")
        async with self._database.transaction() as transaction:
            rows = await transaction.fetch(
                f"SELECT email, email_verified_at FROM users WHERE id = $1 AND is_active = $2{lock}", user_id, True
            )
            if not rows:
                raise NoSuchUser
            # First, because it checks whether the caller may learn the rest.
            await self._trail.record(
                transaction, member.actor, StaffActionKind.SEND_PASSWORD_RESET, user_id=user_id
            )
            if rows[0]["email_verified_at"] is None:
                raise NoVerifiedEmail
            if not await self._letters.add(
                transaction, LetterKind.RESET_PASSWORD, user_id=user_id, address=rows[0]["email"]
            ):
                raise LetterSentLately

    async def _set_active(self, member: StaffMember, user_id: UUID, *, is_active: bool) -> None:
        action = StaffActionKind.REACTIVATE_USER if is_active else StaffActionKind.DEACTIVATE_USER
        async with self._outbox.transaction() as transaction:
            await self._lock_both(transaction, member, user_id)
            changed = await transaction.fetch(
                "UPDATE users SET is_active = $2 WHERE id = $1 AND is_active <> $2 AND deleted IS NULL "
                "RETURNING id",
                user_id,
                is_active,
            )
            if not changed:
                rows = await transaction.fetch(
                    "SELECT 1 AS one FROM users WHERE id = $1 AND deleted IS NULL", user_id
                )
                if not rows:
                    raise NoSuchUser
                return
            if not is_active:
                await end_all(transaction, user_id)
                await self._sessions.end_all(transaction, user_id)
            await self._trail.record(transaction, member.actor, action, user_id=user_id)

    async def add_trip(
        self,
        member: StaffMember,
        *,
        rider_id: UUID,
        pick_up_address: str,
        drop_off_address: str,
        pick_up: GeoPoint | None = None,
        drop_off: GeoPoint | None = None,
    ) -> TripValue:
        """Request a trip for a rider, with the rules of ``Trips.request``. The history says that staff did it.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            NoSuchUser: there is no such rider, or the account is not active.
            NotARider, TooManyOpenTrips, BadInput: as ``Trips.request`` does.
        """
        # A concurrent deletion either waits for this transaction and then cancels the trip, or comes first, and
        # then this finds no user.
        lock = self._database.sql.locked("KEY SHARE")
        request = partial(
            self._trips.request_for,
            staff_id=member.actor.id,
            pick_up_address=pick_up_address,
            drop_off_address=drop_off_address,
            pick_up=pick_up,
            drop_off=drop_off,
        )

        async def add() -> TripValue:
            async with self._outbox.transaction() as transaction:
                rows = await transaction.fetch(
                    "SELECT id, username, first_name, last_name, role, photo FROM users "
                    f"WHERE id = $1 AND is_active = $2{lock}",
                    rider_id,
                    True,
                )
                if not rows:
                    raise NoSuchUser
                trip = await request(transaction, rider=user_of(rows[0]))
                await self._trail.record(
                    transaction,
                    member.actor,
                    StaffActionKind.ADD_TRIP,
                    user_id=rider_id,
                    trip_id=trip.id,
                )
            return trip

        return await self._shield.run(add())

    async def cancel_trip(
        self, member: StaffMember, *, trip_id: UUID, reason: str, cancel_code: CancelCode | None = None
    ) -> TripValue:
        """Cancel an active trip of any rider. Its subscribers receive the change with the reason.

        Without a code it is STAFF.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            TripNotFound: there is no such trip.
            IllegalTransition: it has ended.
            BadInput: the reason is too long or contains a forbidden character, or the code is the server's alone.
        """
        if cancel_code is not None and cancel_code not in STAFF_CANCEL_CODES:
            raise BadInput("Choose another code.", field=("cancelCode",))
        return await self._shield.run(
            self._end_trip(member, trip_id, TripStatus.CANCELLED, checked_reason(reason), cancel_code)
        )

    async def complete_trip(self, member: StaffMember, *, trip_id: UUID, reason: str) -> TripValue:
        """Complete a trip under way, for example if the driver's phone has broken. The reason is for the trail.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            TripNotFound: there is no such trip.
            IllegalTransition: it has ended, or it has no driver.
            BadInput: the reason is too long or contains a forbidden character.
        """
        return await self._shield.run(
            self._end_trip(member, trip_id, TripStatus.COMPLETED, checked_reason(reason), None)
        )

    async def _end_trip(
        self,
        member: StaffMember,
        trip_id: UUID,
        status: TripStatus,
        reason: str | None,
        cancel_code: CancelCode | None,
    ) -> TripValue:
        while True:
            async with self._outbox.transaction() as transaction:
                ended = await self._trips.move(
                    transaction,
                    trip_id=trip_id,
                    status=status,
                    by=Party.STAFF,
                    user_id=member.actor.id,
                    reason=reason,
                    cancel_code=cancel_code,
                )
                if ended is not None:
                    await self._trail.record(
                        transaction, member.actor, _ENDS[status], trip_id=trip_id, detail=reason or ""
                    )
            if ended is not None:
                return ended
            trip = await trip_rows.find(self._database, trip_id)
            if trip is None:
                raise TripNotFound("There is no such trip.")
            if has_ended(trip.status):
                raise IllegalTransition(f"This trip has ended: it is {trip.status.value}.")
            if all(step.source is not trip.status for step in transitions(status, Party.STAFF)):
                raise IllegalTransition("This trip has no driver.")
            # The status changed between the update and the read: try again.

    async def note_export(self, member: StaffMember, *, what: str) -> None:
        """Record in the audit trail that the caller exports data.

        Raises:
            NotStaff: the caller is no longer a member of staff.
        """
        await self._shield.run(
            self._trail.record(self._database, member.actor, StaffActionKind.EXPORT, detail=what[:500])
        )

    async def export_user(self, member: StaffMember, *, user_id: UUID) -> bytes:
        """Everything that is stored about a user, as ``PersonalData.of`` makes it.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            NoSuchUser: there is none.
            PhotosUnavailable: the photo cannot be read at the moment.
        """
        data = await self._personal_data.of(user_id)
        if data is None:
            raise NoSuchUser
        await self._shield.run(
            self._trail.record(
                self._database,
                member.actor,
                StaffActionKind.EXPORT,
                user_id=user_id,
                detail="everything about the user",
            )
        )
        return data
