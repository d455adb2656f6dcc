"""Deleting many old rows without keeping anybody waiting."""

from services.database.connections import Database

AT_ONCE = 500


async def delete_all(database: Database, table: str, condition: str) -> None:
    """Delete the rows of which the condition is true, ``AT_ONCE`` in a transaction, so that nobody waits long.

    What somebody else has locked is left for the next time. The table has a primary key ``id``.
    """
    # Materialized, because PostgreSQL could otherwise run the SELECT, with its LIMIT, more than once.
    sql = (
        f"WITH next AS MATERIALIZED (SELECT id FROM {table} WHERE {condition} "
        f"LIMIT {AT_ONCE}{database.sql.locked('UPDATE SKIP LOCKED')}) "
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM next) RETURNING id"
    )
    while len(await database.fetch(sql)) == AT_ONCE:
        pass
