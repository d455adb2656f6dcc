"""Which server is the primary: of those that accept writes, the one with the newest timeline.

A standby that is promoted begins a new timeline. Its former primary may still accept writes, because it only stood
still, or nobody has shut it off. What is written there is lost.
"""

from weakref import WeakKeyDictionary

import asyncpg

from models.frozen import frozen

# Its timeline is in the name of the file that it writes to. That of the last checkpoint (the control file) is the
# old one for a while.
_ASK = """
    SELECT system_identifier::text AS cluster, current_setting('transaction_read_only') = 'off' AS accepts_writes,
        CASE WHEN NOT pg_is_in_recovery()
            THEN ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END AS timeline
    FROM pg_control_system()
"""


@frozen
class Primary:
    """A server that accepts writes. Its ``timeline`` is greater than those before it in its ``cluster``."""

    cluster: str
    timeline: int


# Something like PostgreSQL, or a user who may not ask.
UNKNOWN = Primary("", 0)
# Those of managed services have no files of a log.
_DOES_NOT_TELL = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.ObjectNotInPrerequisiteStateError,
)


async def primary_of(connection: asyncpg.Connection) -> Primary | None:
    """The server of a connection: None if it accepts no writes, ``UNKNOWN`` if it does not tell."""
    try:
        row = await connection.fetchrow(_ASK)
    except _DOES_NOT_TELL:
        return UNKNOWN
    assert row is not None
    return Primary(row["cluster"], row["timeline"]) if row["accepts_writes"] and row["timeline"] else None


class Primaries:
    """The newest primary that this process has seen, and its connections to all."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._connections: WeakKeyDictionary[asyncpg.Connection, Primary] = WeakKeyDictionary()

    def is_former(self, primary: Primary) -> bool:
        """Whether another server has taken its place."""
        return primary.timeline < self._newest.get(primary.cluster, 0)

    def learn(self, primary: Primary) -> bool:
        """Remember a server. Whether it is new, and has taken the place of another: then all connections to that
        one end, with the statements that wait for an answer.
        """
        newest = self._newest.get(primary.cluster)
        self._newest[primary.cluster] = max(primary.timeline, newest or 0)
        if newest is None or primary.timeline <= newest:
            return False
        for connection, server in list(self._connections.items()):
            if self.is_former(server):
                connection.terminate()
        return True

    def admit(self, connection: asyncpg.Connection, primary: Primary) -> None:
        """Remember an open connection to a server."""
        self._connections[connection] = primary
