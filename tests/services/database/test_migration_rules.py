"""New migrations of PostgreSQL that would block the users of a large table are refused."""

import pytest

from services.database.migration_rules import faults
from tests.services.database.test_migration_run import module_of
from tests.services.database.test_migrations import NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_no_migration_blocks_the_users_of_a_large_table(name: str) -> None:
    migration = module_of(name)
    assert faults(await migration.upgrade(None), in_transaction=migration.RUN_IN_TRANSACTION) == []


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ('CREATE INDEX IF NOT EXISTS "x" ON "trips" ("version")', "CONCURRENTLY"),
        ('CREATE INDEX CONCURRENTLY "x" ON "trips" ("version")', "IF NOT EXISTS"),
        ('CREATE UNIQUE INDEX IF NOT EXISTS "x" ON "trips" ("version")', "CONCURRENTLY"),
        ('DROP INDEX IF EXISTS "x"', "CONCURRENTLY"),
        ('ALTER TABLE "trips" ADD CONSTRAINT "x" CHECK ("version" > 0)', "NOT VALID"),
        ('ALTER TABLE "trips" ADD CONSTRAINT "x" FOREIGN KEY ("a") REFERENCES "users" ("id")', "NOT VALID"),
        ('ALTER TABLE "trips" ADD CONSTRAINT "x" UNIQUE ("version")', "NOT VALID"),
        ('ALTER TABLE "trips" ALTER COLUMN "version" TYPE BIGINT', "new column"),
        ('ALTER TABLE "trips" ALTER COLUMN "vehicle" SET NOT NULL', "IS NOT NULL"),
        ('ALTER TABLE "trips" ADD COLUMN IF NOT EXISTS "x" INT NOT NULL', "previous version"),
        ('ALTER TABLE "trips" ADD "x" INT', "repeated"),
        ('ALTER TABLE "trips" ADD COLUMN IF NOT EXISTS "x" UUID DEFAULT gen_random_uuid()', "every row"),
        ('ALTER TABLE "trips" ADD COLUMN IF NOT EXISTS "x" UUID REFERENCES "users" ("id")', "every row"),
        ('ALTER TABLE "trips" ADD COLUMN IF NOT EXISTS "x" BIGSERIAL', "every row"),
        ('ALTER TABLE "trips" ADD COLUMN IF NOT EXISTS "x" INT, DROP COLUMN "version"', "previous version"),
        ('ALTER TABLE "trips" RENAME COLUMN "version" TO "x"', "previous version"),
        ('ALTER TABLE "trips" SET LOGGED', "nobody knows"),
        ('ALTER TABLE "trips" SET (fillfactor = 50)', "nobody knows"),
        ('UPDATE "trips" SET "version" = 1', "in batches"),
        ('DELETE FROM "trips"', "in batches"),
        ('INSERT INTO "trip_changes" ("trip_id") SELECT "id" FROM "trips"', "in batches"),
        ('DO $$ BEGIN UPDATE "trips" SET "version" = 1; END $$', "COMMIT"),
        ('DROP TABLE "trips"', "nobody knows"),
        ('TRUNCATE "trips"', "nobody knows"),
        ('CREATE TRIGGER "x" AFTER DELETE ON "trips" FOR EACH ROW EXECUTE FUNCTION "y"()', "nobody knows"),
        ('CREATE TABLE "x" ("id" INT)', "IF NOT EXISTS"),
    ],
)
def test_what_blocks_is_refused_and_the_line_says_what_to_write(statement: str, says: str) -> None:
    (fault,) = faults(f"-- A comment; with a semicolon.\n{statement};", in_transaction=False)
    assert says in fault.rpartition(": ")[0]
    assert fault.endswith(statement[:80])
    assert faults(f"-- May block: the table is small.\n{statement};", in_transaction=False) == []


def test_a_table_may_be_told_how_to_be_vacuumed() -> None:
    script = 'ALTER TABLE "trips" SET (autovacuum_vacuum_scale_factor = 0.01, vacuum_truncate = off)'
    assert faults(script, in_transaction=False) == []


def test_a_column_is_made_not_null_after_a_validated_check() -> None:
    script = """
        ALTER TABLE "trips" ADD CONSTRAINT "x" CHECK ("vehicle" IS NOT NULL) NOT VALID;
        {}
        ALTER TABLE "trips" ALTER COLUMN "vehicle" SET NOT NULL, DROP CONSTRAINT IF EXISTS "x"
    """
    assert faults(script.format('ALTER TABLE "trips" VALIDATE CONSTRAINT "x";'), in_transaction=False) == []
    assert len(faults(script.format(""), in_transaction=False)) == 1


def test_an_index_concurrently_and_batches_are_no_parts_of_a_transaction() -> None:
    script = 'CREATE INDEX CONCURRENTLY IF NOT EXISTS "x" ON "trips" ("version"); DO $$ BEGIN COMMIT; END $$'
    assert len(faults(script, in_transaction=True)) == 2
    assert faults(script, in_transaction=False) == []
