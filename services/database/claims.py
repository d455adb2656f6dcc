"""Taking up rows of work, so that no other process gets the same."""

from services.database.dialects import Dialect


def claim_sql(sql: Dialect, table: str, *, waiting: str, at_most: int, for_s: int) -> str:
    """SQL that takes up rows that are ``due``, the oldest first, and counts the attempt. Append ``RETURNING``.

    ``waiting`` is a condition. No other process gets the rows for ``for_s``: by then, the one that has them has
    ended its work, or has died.
    """
    # Materialized, because PostgreSQL could otherwise run the SELECT, with its LIMIT, more than once.
    return (
        f"WITH next AS MATERIALIZED (SELECT id FROM {table} WHERE {waiting} AND due <= {{now}} "
        f"ORDER BY due, id LIMIT {at_most:d}{sql.locked('UPDATE SKIP LOCKED')}) "
        f"UPDATE {table} SET due = {sql.ago(-for_s)}, attempts = attempts + 1 WHERE id IN (SELECT id FROM next)"
    )
