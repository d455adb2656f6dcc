"""Sessions: log-in, look-up by token, and end.

Longer than 300 lines because every statement that begins, checks or ends a session is here.
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from models.frozen import frozen
from models.standing import DriverRules
from models.values import Approval, UserValue
from models.visibility import Actor
from services.accounts.users import user_of
from services.database.connections import Database, Source
from services.database.deleting import delete_all
from services.database.dialects import Row, uuid
from services.errors import SessionEnded
from services.events.outbox import Outbox, OutboxTransaction
from services.runtime.data_loader import DataLoader
from services.runtime.shield import Shield

TOKEN_BYTES = 32
TOUCH_INTERVAL_S = 3600
# How long the user of a token is remembered, and for how many tokens.
RECENT_S = 60
MAX_RECENT = 20_000


@frozen
class NewSession:
    """A new session. ``token`` is available only here; the database has its hash.

    ``replaced`` is the session that it replaces, if any.
    """

    actor: Actor
    token: str
    replaced: UUID | None = None


class PasswordChanged(Exception):
    """The password was changed after the caller proved it."""


class Sessions:
    """Sessions of one application: rows that any process can end.

    A session ends with a log-out, a change of the password, the deactivation of its user, ``ttl_s`` seconds after
    its last use, or ``max_age_s`` seconds after its beginning.
    """

    def __init__(
        self, database: Database, outbox: Outbox, shield: Shield, rules: DriverRules, *, ttl_s: int, max_age_s: int
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._shield = shield
        self.ttl_s = ttl_s
        self.max_age_s = max_age_s
        self._needs_approval = rules.needs_approval
        self._live = DataLoader(self._find_live, gathers=True)
        # Often enough that a session in use never looks unused.
        self.touch_interval_s = min(TOUCH_INTERVAL_S, ttl_s // 4)
        self._recent_s = min(RECENT_S, ttl_s // 4)
        # For each hash of a token the user, and until when by the loop's clock. The oldest entry comes first.
        self._recent: OrderedDict[str, tuple[Actor, float]] = OrderedDict()

    async def begin(
        self, user: UserValue, *, password_hash: str | None = None, replaces: str | None = None
    ) -> NewSession:
        """Open a session for a user who has just proved who they are, with the password of that hash if any.

        The session of the token ``replaces`` ends, if there is one: nobody who knew that token shares the new
        session.

        Raises:
            PasswordChanged: the password was changed in the meantime, or the user was deactivated.
        """
        return await self._shield.run(self._begin(user, password_hash, replaces))

    async def _begin(self, user: UserValue, password_hash: str | None, replaces: str | None) -> NewSession:
        async with self._outbox.transaction() as transaction:
            return await self.begin_in(transaction, user, password_hash, replaces)

    async def begin_in(
        self, transaction: OutboxTransaction, user: UserValue, password_hash: str | None, replaces: str | None
    ) -> NewSession:
        """As ``begin``, in the caller's transaction."""
        session = await self._insert(transaction, user, password_hash)
        ended: Sequence[Row] = ()
        if replaces is not None:
            ended = await transaction.fetch(
                "DELETE FROM sessions WHERE token_hash = $1 RETURNING id, user_id", token_hash(replaces)
            )
        await transaction.end_sessions(ended)
        return replace(session, replaced=uuid(ended[0]["id"])) if ended else session

    async def _insert(self, transaction: Source, user: UserValue, password_hash: str | None) -> NewSession:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        session_id = uuid4()
        conditions = ""
        args: list[object] = [session_id, token_hash(token), user.id]
        if password_hash is not None:
            args.append(password_hash)
            # The lock waits for a running change of the password; afterwards either this statement finds the new
            # password and fails, or the change ends this session.
            lock = self._database.sql.locked("SHARE")
            conditions = f" AND password_hash = $4 AND {self._is_active()}{lock}"
        inserted = await transaction.fetch(
            "INSERT INTO sessions (id, token_hash, created, used, user_id) "
            f"SELECT $1, $2, {{now}}, {{now}}, u.id FROM users u WHERE u.id = $3{conditions} RETURNING id",
            *args,
        )
        if not inserted:
            raise PasswordChanged
        return NewSession(Actor(user, session_id), token)

    async def actor_of(self, token: str) -> Actor | None:
        """The user of the live session that the token belongs to; None if there is none. Counts as a use.

        The use is written only from time to time. Tokens that are requested together are looked up by one
        statement: 1,000 sockets that reconnect together cost a handful.
        """
        found = await self._live.get(token_hash(token))
        if found is None:
            return None
        actor, is_touch_due = found
        if is_touch_due:
            await self.touch([actor.session_id])
        return actor

    async def recent_actor_of(self, token: str) -> Actor | None:
        """As ``actor_of``, but the answer may be up to a minute old.

        For use cases that check the session themselves, and need of the caller only what never changes: the ids
        and the role.
        """
        digest, now = token_hash(token), asyncio.get_running_loop().time()
        actor, until = self._recent.get(digest, (None, now))
        if until > now:
            return actor
        actor = await self.actor_of(token)
        if actor is not None:
            self._recent[digest] = (actor, now + self._recent_s)
            self._recent.move_to_end(digest)
            while len(self._recent) > MAX_RECENT or next(iter(self._recent.values()))[1] <= now:
                self._recent.popitem(last=False)
        return actor

    async def _find_live(self, digests: Sequence[str]) -> dict[str, tuple[Actor, bool]]:
        """The users of these sessions, and whether the use of each must be written."""
        approval = ", u.approval" if self._needs_approval else ""
        rows = await self._database.fetch(
            "SELECT s.id AS session_id, s.token_hash, u.id, u.username, u.first_name, u.last_name, u.role, "
            f"u.photo{approval}, s.used < {self._database.sql.ago(self.touch_interval_s)} AS is_touch_due "
            "FROM sessions s JOIN users u ON u.id = s.user_id "
            f"WHERE {self._database.sql.among('s.token_hash', 1)} AND {self.is_live}",
            digests,
        )
        return {row["token_hash"]: (self._actor(row), bool(row["is_touch_due"])) for row in rows}

    def _actor(self, row: Row) -> Actor:
        is_approved = not self._needs_approval or row["approval"] == Approval.APPROVED
        return Actor(user_of(row), uuid(row["session_id"]), is_approved)

    async def touch(self, session_ids: list[UUID]) -> None:
        """Record the use of these sessions, unless that was done recently (within an hour at most)."""
        if not session_ids:
            return
        sql = self._database.sql
        await self._shield.run(
            self._database.fetch(
                "UPDATE sessions SET used = {now} "
                f"WHERE {sql.among('id', 1)} AND used < {sql.ago(self.touch_interval_s)}",
                session_ids,
            )
        )

    async def ended_among(self, session_ids: list[UUID]) -> set[UUID]:
        """Which of these sessions have ended, by one statement that returns nothing else."""
        if not session_ids:
            return set()
        rows = await self._database.fetch(
            f"SELECT asked.id FROM {self._database.sql.ids(1)} asked WHERE NOT EXISTS (SELECT 1 FROM sessions s "
            f"JOIN users u ON u.id = s.user_id WHERE s.id = asked.id AND {self.is_live})",
            session_ids,
        )
        return {uuid(row["id"]) for row in rows}

    async def end(self, actor: Actor, *, everywhere: bool = False) -> None:
        """Log out: the token becomes invalid, and the session's sockets are closed.

        ``everywhere``: all sessions of the user end.

        Raises:
            SessionEnded: it has ended before.
        """
        await self._shield.run(self._end(actor, everywhere=everywhere))

    async def _end(self, actor: Actor, *, everywhere: bool) -> None:
        async with self._outbox.transaction() as transaction:
            if everywhere:
                await self.hold(transaction, actor)
                await self.end_all(transaction, actor.id)
            else:
                ended = await transaction.fetch(
                    "DELETE FROM sessions WHERE id = $1 RETURNING id, user_id", actor.session_id
                )
                if not ended:
                    raise SessionEnded
                await transaction.end_sessions(ended)

    async def hold(self, transaction: Source, actor: Actor) -> None:
        """Begin a transaction that ends the caller's sessions: nothing is written in them at the same time.

        On PostgreSQL it waits for the user's running writes, and later writes wait for its end.

        Raises:
            SessionEnded: the caller's own session has ended before.
        """
        await self.require(transaction, actor.session_id, lock=self._database.sql.locked("UPDATE OF u, s"))

    async def require(self, source: Source, session_id: UUID, columns: str = "s.id", *, lock: str = "") -> Row:
        """The ``columns`` of a live session ``s`` and its user ``u``; ``lock`` is SQL that locks them.

        Raises:
            SessionEnded: it has ended.
        """
        rows = await source.fetch(self.live_sql("$1", columns) + lock, session_id)
        if not rows:
            raise SessionEnded
        return rows[0]

    def live_sql(self, session_id: str, columns: str = "s.id") -> str:
        """SQL for the ``columns`` of a session ``s`` and its user ``u``: a row while it is live, otherwise none.

        ``session_id`` is an SQL value, or ``ANY`` of several. More conditions may follow.
        """
        return (
            f"SELECT {columns} FROM users u JOIN sessions s ON s.user_id = u.id "
            f"WHERE s.id = {session_id} AND {self.is_live}"
        )

    @property
    def session_lock_sql(self) -> str:
        """SQL that follows ``live_sql`` in a statement that writes in that session.

        On PostgreSQL, a statement that ends the session waits until the write is committed; or the write waits for
        the end and then finds no row. The user is locked first, as in all places that lock both, so there is no
        deadlock. It is the lock that foreign keys take, and does not wait for other writes.
        """
        return self._database.sql.locked("KEY SHARE OF u, s")

    @property
    def user_lock_sql(self) -> str:
        """As ``session_lock_sql``, if the statement changes the user: it takes the stronger lock from the start.

        If it took that lock later, after the session's, it would wait for a log-in that holds the user and waits
        for the session.
        """
        return self._database.sql.locked("NO KEY UPDATE OF u FOR KEY SHARE OF s")

    async def end_all(self, transaction: OutboxTransaction, user_id: UUID) -> None:
        """End all sessions of a user in the caller's transaction. Their sockets are closed after its commit."""
        ended = await transaction.fetch("DELETE FROM sessions WHERE user_id = $1 RETURNING id, user_id", user_id)
        await transaction.end_sessions(ended)

    def expires_at(self, *, created: datetime, used: datetime) -> datetime:
        """When a session expires unless it is used again."""
        return min(used + timedelta(seconds=self.ttl_s), created + timedelta(seconds=self.max_age_s))

    async def remove_ended(self) -> None:
        """Delete the rows of sessions that have expired."""
        ago = self._database.sql.ago
        await delete_all(
            self._database, "sessions", f"used < {ago(self.ttl_s)} OR created < {ago(self.max_age_s)}"
        )

    def _is_active(self) -> str:
        return self._database.sql.is_true("u.is_active")

    @property
    def is_live(self) -> str:
        """SQL: whether session ``s`` is live and its user ``u`` is active."""
        return (
            f"{self._is_active()} AND s.used > {self._database.sql.ago(self.ttl_s)} "
            f"AND s.created > {self._database.sql.ago(self.max_age_s)}"
        )


def token_hash(token: str) -> str:
    """What the database keeps of a token."""
    # The token is random and long: a plain hash cannot be reversed, and the database can look it up.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
