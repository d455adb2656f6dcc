"""The use cases of an account: sign-up, log-in, change of password, and looking up a user."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid4

from models.values import Role, UserValue
from models.visibility import Actor
from services.accounts import usernames
from services.accounts.passwords import Passwords
from services.accounts.sessions import NewSession, PasswordChanged, Sessions
from services.accounts.users import user_of
from services.database.connections import Conflict, Database, Transaction
from services.errors import BadInput, ErrorCode, SessionEnded, UserFault, UserFaults
from services.limits.attempts import Attempts
from services.photos.account_photos import AccountPhotos
from services.runtime.shield import Shield
from services.validation import texts

MAX_NAME_CHARS = 150

# Writes more in the transaction that creates an account.
AlsoWrites = Callable[[Transaction, UserValue], Awaitable[None]]


class UsernameTaken(UserFault):
    """Another account has the name, possibly in another case or Unicode form."""

    code = ErrorCode.USERNAME_TAKEN


class BadCredentials(UserFault):
    """No such name, a wrong password, or a deactivated account: all are the same answer."""

    code = ErrorCode.BAD_CREDENTIALS


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
        sessions: Sessions,
        photo_required: bool,
        log_ins: Attempts,
        sign_ups: Attempts,
    ) -> None:
        self._database = database
        self._shield = shield
        self._passwords = passwords
        self._photos = photos
        self._sessions = sessions
        self._photo_required = photo_required
        self._log_ins = log_ins
        self._sign_ups = sign_ups

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
        address: str | None = None,
        replaces: str | None = None,
    ) -> NewSession:
        """Create an account and log it in. Nothing is stored unless all of it is valid.

        ``address``: where the request comes from; None: this machine. The session of the token ``replaces`` ends.

        Raises:
            RateLimited: too many sign-ups from the address, or under the name.
            UserFaults: all of UsernameInvalid, UsernameTaken, PasswordMismatch, PasswordWeak, PhotoRequired,
                PhotoInvalid, PhotoTooLarge and PhotosUnavailable that apply.
            BadInput: a name is empty, too long, or has invisible characters.
        """
        user = _new_user(username, first_name, last_name, role)
        # Count before any look-up: sign-up reveals whether a name is taken, so limit how many a client can test.
        await self._sign_ups.count(name=key_of(username), address=address)
        return await self._shield.run(self._sign_up(user, password1, password2, photo, replaces))

    async def _sign_up(
        self, user: UserValue, password1: str, password2: str, photo: bytes | None, replaces: str | None
    ) -> NewSession:
        created = await self._create(user, password1, password2, photo)
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
        """Create an account for another person, by the rules of ``sign_up`` and without a session.

        ``also`` writes more in the transaction that creates it.

        Raises:
            UserFaults, BadInput: as ``sign_up`` does.
        """
        user = _new_user(username, first_name, last_name, role)
        return await self._shield.run(self._create(user, password, password, photo, also))

    async def _create(
        self,
        user: UserValue,
        password1: str,
        password2: str,
        photo: bytes | None,
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
            await self._passwords.check(
                password1, password2, about_user=[user.username, user.first_name, user.last_name, "taxirank"]
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
            return await self._insert(replace(user, photo=stored), password1, also=also)
        except BaseException:
            if stored is not None:
                await self._photos.discard(stored)
            raise

    async def create_staff(self, *, username: str, password: str) -> UserValue:
        """Create a member of staff (a rider, as far as the API goes).

        Raises:
            UserFaults: UsernameInvalid, UsernameTaken or PasswordWeak.
        """
        try:
            name = usernames.normalised(username)
            await self._passwords.check(password, password, about_user=[name, "taxirank"])
        except UserFault as fault:
            raise UserFaults([fault]) from None
        user = UserValue(uuid4(), name, "Staff", name, Role.RIDER, None)
        return await self._shield.run(self._insert(user, password, is_staff=True))

    async def _insert(
        self, user: UserValue, password: str, *, is_staff: bool = False, also: AlsoWrites | None = None
    ) -> UserValue:
        password_hash = await self._passwords.hash(password)
        try:
            async with self._database.transaction() as transaction:
                # Not by Tortoise's `create`: it keeps its statement for the whole process, in the dialect of
                # whichever application came first.
                await transaction.fetch(
                    "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, "
                    "photo, is_staff, is_active, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, {now})",
                    user.id,
                    user.username,
                    usernames.key(user.username),
                    password_hash,
                    user.first_name,
                    user.last_name,
                    user.role,
                    user.photo,
                    is_staff,
                    True,
                )
                if user.photo is not None:
                    await self._photos.refer_in(transaction, user.photo)
                if also is not None:
                    await also(transaction, user)
        except Conflict:
            # Two sign-ups of one name at once: the unique key lets one through.
            raise UserFaults([_taken()]) from None
        return user

    async def _exists(self, username: str) -> bool:
        return bool(
            await self._database.fetch(
                "SELECT 1 AS one FROM users WHERE username_key = $1", usernames.key(username)
            )
        )

    async def log_in(
        self,
        *,
        username: str,
        password: str,
        address: str | None = None,
        replaces: str | None = None,
        staff_only: bool = False,
    ) -> NewSession:
        """Begin a session. Takes as long for an unknown name as for a wrong password.

        ``staff_only``: other users get the same answer as for a wrong password.

        ``address``: where the request comes from; None: this machine. The session of the token ``replaces`` ends.

        Raises:
            RateLimited: too many attempts from the address, or at the name.
            BadCredentials: the name and the password do not belong together.
        """
        key = key_of(username)
        await self._log_ins.count(name=key, address=address)
        rows = await self._database.fetch(
            "SELECT id, username, first_name, last_name, role, photo, password_hash, is_active, is_staff "
            "FROM users WHERE username_key = $1",
            key,
        )
        row = rows[0] if rows else None
        right = await self._passwords.verify(row["password_hash"] if row else None, password)
        wrong = BadCredentials("The user name or the password is wrong.")
        if row is None or not right or not row["is_active"] or (staff_only and not row["is_staff"]):
            raise wrong
        try:
            session = await self._sessions.begin(
                user_of(row), password_hash=row["password_hash"], replaces=replaces
            )
        except PasswordChanged:
            raise wrong from None
        await self._log_ins.succeeded(name=key)
        if self._passwords.is_outdated(row["password_hash"]):
            await self._shield.run(self._hash_anew(session.actor.id, row["password_hash"], password))
        return session

    async def _hash_anew(self, user_id: UUID, old_hash: str, password: str) -> None:
        new_hash = await self._passwords.hash(password)
        await self._database.fetch(
            "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", user_id, old_hash, new_hash
        )

    async def change_password(
        self, actor: Actor, *, current: str, password1: str, password2: str, address: str | None = None
    ) -> NewSession:
        """Give the caller a new password. All sessions of theirs end, also this one, and a new one begins.

        This locks out anyone who has stolen a session or the password.

        Raises:
            RateLimited: too many attempts from the address, or at the name; they count as log-ins.
            BadCredentials: the current password is wrong.
            PasswordMismatch, PasswordWeak: of the new one.
            SessionEnded: the caller's session has ended.
        """
        user = actor.user
        key = key_of(user.username)
        await self._log_ins.count(name=key, address=address)
        rows = await self._database.fetch(self._sessions.live_sql("$1", "u.password_hash"), actor.session_id)
        if not rows:
            raise SessionEnded
        old_hash = rows[0]["password_hash"]
        wrong = BadCredentials("The current password is wrong.", field=("currentPassword",))
        if not await self._passwords.verify(old_hash, current):
            raise wrong
        await self._passwords.check(
            password1, password2, about_user=[user.username, user.first_name, user.last_name, "taxirank"]
        )
        try:
            session = await self._sessions.change_password(
                actor, old_hash=old_hash, new_hash=await self._passwords.hash(password1)
            )
        except PasswordChanged:
            raise wrong from None
        await self._log_ins.succeeded(name=key)
        return session

    async def find(self, actor: Actor, *, user_id: UUID) -> UserValue | None:
        """The caller, or the other party of one of the caller's trips; None for any other user."""
        if user_id == actor.id:
            return actor.user
        rows = await self._database.fetch(
            "SELECT id, username, first_name, last_name, role, photo FROM users u WHERE u.id = $1 AND EXISTS ("
            "SELECT 1 FROM trips t WHERE (t.rider_id = $1 AND t.driver_id = $2) "
            "OR (t.rider_id = $2 AND t.driver_id = $1))",
            user_id,
            actor.id,
        )
        return user_of(rows[0]) if rows else None


def key_of(username: str) -> str:
    """The key of a name from outside; empty, which is nobody's, if it cannot be a name."""
    return usernames.key(username) if usernames.may_exist(username) else ""


def _taken() -> UsernameTaken:
    return UsernameTaken("This user name is taken.", field=("username",))


def _new_user(username: str, first_name: str, last_name: str, role: Role) -> UserValue:
    return UserValue(
        uuid4(), username, checked_name(first_name, "firstName"), checked_name(last_name, "lastName"), role, None
    )


def checked_name(text: str, field: str) -> str:
    """A person's name as it is kept.

    Raises:
        BadInput: it is empty (also if nothing of it can be seen), too long, or hides something.
    """
    text = text.strip()
    if not texts.trimmed(text) or len(text) > MAX_NAME_CHARS:
        raise BadInput(f"A name has 1 to {MAX_NAME_CHARS} characters.", field=(field,))
    if texts.hides_something(text):
        raise BadInput("A name has no control characters or invisible ones.", field=(field,))
    return text
