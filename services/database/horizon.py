"""Which transactions of PostgreSQL a statement can see: clocks do not tell, because a commit may come late."""

from models.frozen import frozen
from services.database.dialects import Row

# SQL: the columns that a ``Horizon`` is made of, by the snapshot of the statement.
HORIZON = (
    "pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_running, "
    "pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xact, "
    "extract(epoch FROM pg_postmaster_start_time())::float8 AS server"
)


@frozen
class Horizon:
    """What a snapshot of PostgreSQL sees.

    It sees every transaction with a number below ``oldest_running``, and none from ``next_xact`` on. Transactions
    that only read have no number. ``server`` differs for another server: then the numbers cannot be compared.
    """

    oldest_running: int
    next_xact: int
    server: float

    def continues(self, earlier: "Horizon") -> bool:
        """Whether the numbers go on from there: not after a failover, which may have lost the last of them."""
        return self.server == earlier.server and self.oldest_running >= earlier.oldest_running

    @classmethod
    def of(cls, row: Row) -> "Horizon":
        """Made of a row with the columns of ``HORIZON``."""
        return cls(row["oldest_running"], row["next_xact"], row["server"])
