"""Which sessions have ended: what a process asks the database about those that have sockets."""

from collections.abc import Collection, Sequence
from uuid import UUID

from models.frozen import frozen
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.dialects import moment, uuid
from services.database.horizon import HORIZON, Horizon

# Every session is asked about at least this often, whatever else is known.
RECHECK_S = 60.0
# No transaction has such a number.
_NOTHING = 2**62


@frozen
class SessionLook:
    """A session as a look has found it. ``ends_in_s``: None if it has ended."""

    id: UUID
    ends_in_s: float | None
    is_touch_due: bool


class SessionChecks:
    """The questions of one process.

    On PostgreSQL it asks which sessions have changed since it asked last. Triggers note every session that a
    transaction ends, or may end: by a log-out, the deactivation of its user, or a change of its times by hand. The
    note has the number of the transaction, so none is missed that becomes visible late, and no clock matters.
    """

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database = database
        self._sessions = sessions
        # A session that a socket keeps in use never looks unused.
        self.recheck_s = min(RECHECK_S, sessions.ttl_s / 4, sessions.max_age_s / 4)
        # Transactions before it have ended, and what they noted has been returned.
        self._next: Horizon | None = None
        # The same when old notes were removed last.
        self._known_to_all: Horizon | None = None

    async def changed(self) -> Collection[UUID] | None:
        """The sessions that may have ended since the last call; None: that is unknown, perhaps all.

        A session may be returned again while a transaction that began before its end is running.
        """
        if self._database.sql.writes_one_by_one:
            return None
        since = self._next
        (row,) = await self._database.fetch(
            f"SELECT {HORIZON}, ARRAY(SELECT session_id FROM session_changes WHERE xact >= $1) AS changed",
            since.oldest_running if since is not None else _NOTHING,
        )
        seen = self._next = Horizon.of(row)
        if since is None or not seen.continues(since):
            return None
        return {uuid(session_id) for session_id in row["changed"]}

    async def look_at(self, session_ids: Sequence[UUID]) -> Sequence[SessionLook]:
        """Those of these sessions that have ended, end within two minutes, or whose use must be recorded."""
        if not session_ids:
            return ()
        sessions, sql = self._sessions, self._database.sql
        is_touch_due = f"s.used < {sql.ago(sessions.touch_interval_s)}"
        rows = await self._database.fetch(
            f"SELECT asked.id, s.created, s.used, {{now}} AS as_of, {is_touch_due} AS is_touch_due "
            f"FROM {sql.ids(1)} asked "
            f"LEFT JOIN (sessions s JOIN users u ON u.id = s.user_id AND {sessions.is_live}) ON s.id = asked.id "
            f"WHERE s.id IS NULL OR {is_touch_due} "
            f"OR s.created < {sql.ago(sessions.max_age_s - round(2 * self.recheck_s))}",
            list(session_ids),
        )
        return [
            SessionLook(
                uuid(row["id"]),
                None
                if row["created"] is None
                else (
                    sessions.expires_at(created=moment(row["created"]), used=moment(row["used"]))
                    - moment(row["as_of"])
                ).total_seconds(),
                bool(row["is_touch_due"]),
            )
            for row in rows
        ]

    async def touch(self, session_ids: Sequence[UUID]) -> None:
        """Record that these sessions are in use."""
        await self._sessions.touch(list(session_ids))

    async def remove_old(self) -> None:
        """Remove notes that every process has seen: those that were visible at the last call, minutes ago.

        A process that could not ask for so long asks about all its sessions afterwards.
        """
        if self._database.sql.writes_one_by_one:
            return
        (row,) = await self._database.fetch(f"SELECT {HORIZON}")
        before, self._known_to_all = self._known_to_all, Horizon.of(row)
        if before is not None and self._known_to_all.continues(before):
            await self._database.fetch("DELETE FROM session_changes WHERE xact < $1", before.oldest_running)
