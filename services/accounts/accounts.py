"""The use cases of creating and finding an account."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid4

from models.letter import LetterKind
from models.values import Approval, Role, UserValue, VehicleValue
from models.visibility import Actor
from services.accounts import usernames
from services.accounts.lookalikes import skeleton
from services.accounts.names import checked_name
from services.accounts.passwords import Passwords
from services.accounts.sessions import NewSession, Sessions
from services.accounts.users import share_a_trip, user_of
from services.database.connections import Database, Transaction
from services.database.failures import Conflict
from services.drivers.vehicles import checked_vehicle
from services.errors import BadInput, ErrorCode, UserFault, UserFaults
from services.limits.log_in_rate import LogInRate
from services.notifications.addresses import checked_address
from services.notifications.letters import Letters
from services.photos.account_photos import AccountPhotos
from services.runtime.shield import Shield

# Writes more in the transaction that creates an account.
AlsoWrites = Callable[[Transaction, UserValue], Awaitable[None]]


class UsernameTaken(UserFault):
    """Another account has the name, possibly in another case or Unicode form, or one that looks alike."""

    code = ErrorCode.USERNAME_TAKEN


class PhotoRequired(UserFault):
    """This server requires a photo."""

    code = ErrorCode.PHOTO_REQUIRED


class Accounts:
    """Accounts of one application."""

    def __init__(
        self,
        database: Database,
        shield: Shield,
        *,
        passwords: Passwords,
        photos: AccountPhotos,
        letters: Letters,
        sessions: Sessions,
        photo_required: bool,
        drivers_wait: bool,
        rate: LogInRate,
    ) -> None:
        """``drivers_wait``: whether drivers who sign up wait until staff approve them."""
        self._database = database
        self._shield = shield
        self._passwords = passwords
        self._photos = photos
        self._letters = letters
        self._sessions = sessions
        self._photo_required = photo_required
        self._drivers_wait = drivers_wait
        self._rate = rate

    async def sign_up(
        self,
        *,
        username: str,
        password1: str,
        password2: str,
        first_name: str,
        last_name: str,
        role: Role,
        photo: bytes | None = None,
        vehicle: VehicleValue | None = None,
        email: str | None = None,
        address: str | None = None,
        replaces: str | None = None,
    ) -> NewSession:
        """Create an account and log in. Nothing is stored unless everything is valid.

        A letter goes to ``email``, so that its owner can confirm it. Several accounts may have the same one, and
        nothing tells whether another account has it. ``address``: the client's network; None: this machine. The
        session of the token ``replaces`` ends.

        Raises:
            RateLimited: too many sign-ups from the address, or under the name.
            UserFaults: all of UsernameInvalid, UsernameTaken, EmailInvalid, PasswordMismatch, PasswordWeak,
                PhotoRequired, PhotoInvalid, PhotoTooLarge and PhotosUnavailable that apply.
            BadInput: a name is empty, too long, or has invisible characters; see ``checked_vehicle``; or a rider
                has a vehicle.
        """
        user = _new_user(username, first_name, last_name, role)
        if vehicle is not None:
            if role is not Role.DRIVER:
                raise BadInput("Only drivers have a vehicle.", field=("vehicle",))
            vehicle = checked_vehicle(vehicle, "vehicle")
        # Count before any look-up: sign-up reveals whether a name is taken, so limit how many a client can test.
        await self._rate.count(name=usernames.lookup_key(username), address=address)
        return await self._shield.run(self._sign_up(user, password1, password2, photo, vehicle, email, replaces))

    async def _sign_up(
        self,
        user: UserValue,
        password1: str,
        password2: str,
        photo: bytes | None,
        vehicle: VehicleValue | None,
        email: str | None,
        replaces: str | None,
    ) -> NewSession:
        waits = self._drivers_wait and user.role is Role.DRIVER
        approval = Approval.WAITING if waits else Approval.APPROVED
        created = await self._create(
            user, password1, password2, photo, vehicle=vehicle, approval=approval, email=email
        )
        return await self._sessions.begin(created, replaces=replaces)

    async def add(
        self,
        *,
        username: str,
        password: str,
        first_name: str,
        last_name: str,
        role: Role,
        photo: bytes | None = None,
        also: AlsoWrites,
    ) -> UserValue:
        """Create an account for another person, with the rules of ``sign_up`` and without a session.

        A driver is approved. ``also`` writes more in the same transaction.

        Raises:
            UserFaults, BadInput: as ``sign_up`` does.
        """
        user = _new_user(username, first_name, last_name, role)
        return await self._shield.run(self._create(user, password, password, photo, also=also))

    async def _create(
        self,
        user: UserValue,
        password1: str,
        password2: str,
        photo: bytes | None,
        *,
        vehicle: VehicleValue | None = None,
        approval: Approval = Approval.APPROVED,
        email: str | None = None,
        also: AlsoWrites | None = None,
    ) -> UserValue:
        faults: list[UserFault] = []
        try:
            user = replace(user, username=usernames.normalised(user.username))
            if await self._exists(user.username):
                faults.append(_taken())
        except UserFault as fault:
            faults.append(fault)
        try:
            email = checked_address(email) if email is not None else None
        except UserFault as fault:
            faults.append(fault)
        try:
            await self._passwords.check(
                password1, password2, about_user=[user.username, user.first_name, user.last_name]
            )
        except UserFault as fault:
            faults.append(fault)
        stored: str | None = None
        try:
            if photo is not None:
                stored = await self._photos.store(photo)
            elif self._photo_required:
                raise PhotoRequired("A photo is required.", field=("photo",))
        except UserFault as fault:
            faults.append(fault)
        try:
            if faults:
                raise UserFaults(faults)
            user = replace(user, photo=stored)
            return await self._insert(user, password1, vehicle=vehicle, approval=approval, email=email, also=also)
        except BaseException:
            if stored is not None:
                await self._photos.discard(stored)
            raise

    async def create_staff(self, *, username: str, password: str, also: AlsoWrites | None = None) -> UserValue:
        """Create a member of staff (a rider, for the API). ``also`` writes more in the same transaction.

        Raises:
            UserFaults: UsernameInvalid, UsernameTaken or PasswordWeak.
        """
        try:
            name = usernames.normalised(username)
            await self._passwords.check(password, password, about_user=[name])
        except UserFault as fault:
            raise UserFaults([fault]) from None
        user = UserValue(uuid4(), name, "Staff", name, Role.RIDER, None)
        return await self._shield.run(self._insert(user, password, is_staff=True, also=also))

    async def _insert(
        self,
        user: UserValue,
        password: str,
        *,
        vehicle: VehicleValue | None = None,
        approval: Approval = Approval.APPROVED,
        email: str | None = None,
        is_staff: bool = False,
        also: AlsoWrites | None = None,
    ) -> UserValue:
        password_hash = await self._passwords.hash(password)
        try:
            async with self._database.transaction() as transaction:
                await transaction.fetch(
                    "INSERT INTO users (id, username, username_key, username_skeleton, password_hash, first_name, "
                    "last_name, role, photo, is_staff, is_active, vehicle, approval, email, created) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, {now})",
                    user.id,
                    user.username,
                    usernames.key(user.username),
                    skeleton(user.username),
                    password_hash,
                    user.first_name,
                    user.last_name,
                    user.role,
                    user.photo,
                    is_staff,
                    True,
                    vehicle.to_json() if vehicle is not None else None,
                    approval,
                    email,
                )
                if email is not None:
                    await self._letters.add(transaction, LetterKind.VERIFY_EMAIL, user_id=user.id, address=email)
                if user.photo is not None:
                    await self._photos.attach(transaction, user.photo)
                if also is not None:
                    await also(transaction, user)
        except Conflict:
            # If two users sign up simultaneously with one name, or with names that look alike, the unique keys let
            # one through.
            raise UserFaults([_taken()]) from None
        if email is not None:
            self._letters.wake()
        return user

    async def _exists(self, username: str) -> bool:
        return bool(
            await self._database.fetch(
                "SELECT 1 AS one FROM users WHERE username_key = $1 OR username_skeleton = $2",
                usernames.key(username),
                skeleton(username),
            )
        )

    async def find(self, actor: Actor, *, user_id: UUID) -> UserValue | None:
        """The caller, or the other party of one of the caller's trips; None for any other user."""
        if user_id == actor.id:
            return actor.user
        rows = await self._database.fetch(
            "SELECT id, username, first_name, last_name, role, photo FROM users u "
            f"WHERE u.id = $1 AND {share_a_trip('$1', '$2')}",
            user_id,
            actor.id,
        )
        return user_of(rows[0]) if rows else None


def _taken() -> UsernameTaken:
    return UsernameTaken("This user name is taken, or looks like one that is.", field=("username",))


def _new_user(username: str, first_name: str, last_name: str, role: Role) -> UserValue:
    return UserValue(
        uuid4(), username, checked_name(first_name, "firstName"), checked_name(last_name, "lastName"), role, None
    )
