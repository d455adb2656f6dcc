"""Where the lists of staff are read."""

from math import ceil

from models.visibility import Actor
from services.database.connections import Database, Source
from services.database.replicas import Replicas

# From the time in an entry of the audit trail until its commit, and the difference of two clocks.
MARGIN_S = 5


class StaffReads:
    """Lists are read from a replica, unless the reader has just changed something: whoever cancels a trip has to
    find it cancelled in the list.
    """

    def __init__(self, database: Database, replicas: Replicas) -> None:
        self._database = database
        self._replicas = replicas

    async def of(self, reader: Actor) -> Source:
        """The source of a list for this member of staff. Raises: DatabaseUnavailable."""
        if not self._replicas.are_set:
            return self._database
        # Every change of staff has an entry in the audit trail, whichever process made it.
        since = self._database.sql.ago(ceil(self._replicas.max_age_s) + MARGIN_S)
        changed = await self._database.fetch(
            f"SELECT 1 AS one FROM staff_actions WHERE at > {since} AND staff_id = $1 LIMIT 1", reader.id
        )
        return self._database if changed else self._replicas
