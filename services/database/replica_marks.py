"""How old what a replica shows may be, known without comparing clocks.

Several times a second a process asks the primary how far its log has got, and notes when it asked. A replica that
has replayed the log up to there has everything that was committed before that time.
"""

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from time import monotonic

from models.frozen import frozen
from services.database.dialects import Row

# A position at the beginning of a page of the log is told with or without the bytes that each page begins with.
_PAGE_BYTES, _FIRST_BYTES = 8192, (24, 40)
OF_PRIMARY = """
    SELECT system_identifier::text AS cluster,
        ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline,
        pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8 AS position
    FROM pg_control_system()
"""
# The timeline of the log on the disk: after a failover it is the old one for a while, until the next checkpoint.
OF_REPLICA = """
    SELECT s.system_identifier::text AS cluster, pg_is_in_recovery() AS is_replica,
        greatest(c.timeline_id, r.min_recovery_end_timeline) AS timeline,
        pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::int8 AS position
    FROM pg_control_system() s, pg_control_checkpoint() c, pg_control_recovery() r
"""


class Unfit(StrEnum):
    """Why a replica is not read, for people."""

    BEHIND = "it is behind"
    PRIMARY = "it accepts writes: it is no replica any more"
    FOREIGN = "it is a replica of another database"
    OTHER_TIMELINE = "it follows another primary, or has not noticed the failover yet"


@frozen
class Mark:
    """How far the log of the primary was at a time of the monotonic clock."""

    at_s: float
    cluster: str
    timeline: int
    position: int


class Marks:
    """The marks of the last ``max_age_s`` seconds."""

    def __init__(self, max_age_s: float, clock: Callable[[], float] = monotonic) -> None:
        self.max_age_s = max_age_s
        self._clock = clock
        self._marks: deque[Mark] = deque()
        self._since_s = clock()

    @property
    def is_young(self) -> bool:
        """Whether there is no mark yet that a replica must have reached."""
        return self._clock() < self._since_s + self.max_age_s

    def add(self, at_s: float, row: Row) -> None:
        """Note the answer of the primary to a question that was sent at this time."""
        position = row["position"]
        if position % _PAGE_BYTES in _FIRST_BYTES:
            position -= position % _PAGE_BYTES
        self._marks.append(Mark(at_s, row["cluster"], row["timeline"], position))

    def unfitness_of(self, row: Row) -> Unfit | None:
        """Why a replica with this answer must not be read; None: it has all that was committed before the oldest
        mark.
        """
        self._forget_old()
        newest = self._marks[-1] if self._marks else None
        if newest is not None and row["cluster"] != newest.cluster:
            return Unfit.FOREIGN
        if not row["is_replica"]:
            return Unfit.PRIMARY
        if newest is None:
            return Unfit.BEHIND
        if row["timeline"] != newest.timeline:
            return Unfit.OTHER_TIMELINE
        # A mark of a former primary says nothing about this one's log.
        oldest = next(mark for mark in self._marks if mark.timeline == newest.timeline)
        return None if (row["position"] or 0) >= oldest.position else Unfit.BEHIND

    def _forget_old(self) -> None:
        oldest_s = self._clock() - self.max_age_s
        while self._marks and self._marks[0].at_s < oldest_s:
            self._marks.popleft()
