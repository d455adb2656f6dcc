"""Up to which id of the outbox there is no note, and never will be."""

from dataclasses import dataclass

from services.database.horizon import Horizon


@dataclass(slots=True)
class SettledNotes:
    """Learns from each look at the outbox of PostgreSQL which ids need no look any more.

    Deleted rows stay in the table and its index while an old snapshot could still see them (a dump, a report that
    runs for an hour), and PostgreSQL passes each of them again at every look. So a look begins after the ids that
    are settled: no note with such an id exists, and no transaction that could still write one is running.

    Ids are not given in the order of commits. An id up to ``last_id`` was given before the next look, to a
    transaction that had changed something before it wrote the note and so had its number. When all transactions
    with the numbers of that time have ended, a look sees every note up to that id.
    """

    up_to: int = 0
    # The last id that was given at an earlier look.
    _mark: int = 0
    # The number of the first transaction that began after that; 0: not known yet.
    _mark_xact: int = 0
    _server: float = 0.0

    def learn(self, horizon: Horizon, *, first_id: int | None, last_id: int) -> bool:
        """Whether a look must begin at ``up_to`` now, because there may be a note after it.

        ``first_id``: of the first note after ``up_to`` that the look has seen. ``last_id``: the last id that was
        given, read in the same statement (and so perhaps after its snapshot).
        """
        if horizon.server != self._server or last_id < self._mark:
            # Another server, after a failover or a restart, may give ids again that it has lost.
            is_new = self._server != 0.0
            self.up_to, self._mark, self._mark_xact, self._server = 0, last_id, 0, horizon.server
            return is_new or first_id is not None
        if not self._mark_xact:
            self._mark_xact = horizon.next_xact
        elif horizon.oldest_running >= self._mark_xact:
            self.up_to = self._mark if first_id is None else min(self._mark, first_id - 1)
            self._mark, self._mark_xact = last_id, 0
        return first_id is not None
