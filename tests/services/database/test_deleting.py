"""Old rows are deleted a few at a time, and those that somebody else holds are left."""

from collections.abc import AsyncIterator

import pytest

from application.settings import Settings
from services.database import deleting
from services.database.connections import Database
from services.database.deleting import delete_all
from tests.support.database_rows import add_rider

OLD = "token_hash LIKE 'old %'"


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """With seven old sessions and one other."""
    database = Database(settings)
    await database.connect()
    rider = await add_rider(database)
    for number in range(7):
        await database.fetch(
            "INSERT INTO sessions (id, token_hash, created, used, user_id) VALUES ($1, $2, {now}, {now}, $3)",
            str(number) * 8 + "-0000-4000-8000-000000000000",
            f"old {number}",
            rider.id,
        )
    yield database
    await database.disconnect()


async def left(database: Database) -> list[str]:
    rows = await database.fetch(f"SELECT token_hash FROM sessions WHERE {OLD} ORDER BY token_hash")
    return [row["token_hash"] for row in rows]


async def test_all_are_deleted_a_few_in_a_statement(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleting, "AT_ONCE", 3)
    deleted: list[int] = []
    fetch = Database.fetch

    async def spy(self: Database, sql: str, *args: object) -> object:
        rows = await fetch(self, sql, *args)
        deleted.append(len(rows))
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(Database, "fetch", spy)
        await delete_all(database, "sessions", OLD)
    assert deleted == [3, 3, 1]
    assert await left(database) == []
    assert len(await database.fetch("SELECT id FROM sessions")) == 1


# SQLite has no locks of rows.
@pytest.mark.parametrize("backend", ["production"], indirect=True)
async def test_what_somebody_holds_is_left_for_the_next_time(database: Database, settings: Settings) -> None:
    other = Database(settings)
    await other.connect()
    async with other.transaction() as transaction:
        await transaction.fetch("SELECT id FROM sessions WHERE token_hash = 'old 4' FOR UPDATE")
        await delete_all(database, "sessions", OLD)
        assert await left(database) == ["old 4"]
    await other.disconnect()
    await delete_all(database, "sessions", OLD)
    assert await left(database) == []
