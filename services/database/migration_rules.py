"""Finds in the SQL of a migration what would block the users of a large table, or break older servers."""

import re
from collections.abc import Iterator

from services.database.migration_sql import bare, split

# A comment before a statement that is allowed all the same.
EXEMPT = re.compile(r"-- May block: \S")
_NAME = r'"?(\w+)"?'
_CONSTANT = re.compile(r"DEFAULT (?:''|-?[\d.]+|TRUE|FALSE|NULL|NOW\(\)|CURRENT_TIMESTAMP)(?: |$)", re.IGNORECASE)
_OF_COLUMNS = re.compile(r"\b(?:REFERENCES|UNIQUE|PRIMARY KEY|CHECK|GENERATED|(?:BIG|SMALL)?SERIAL)\b")


def faults(script: str, *, in_transaction: bool) -> list[str]:
    """What is wrong with a migration of PostgreSQL: one line for each fault, which names its statement.

    ``in_transaction``: whether it runs as one transaction. Tables that it creates are not in use yet.
    """
    rules = _Rules(set(re.findall(rf"CREATE TABLE IF NOT EXISTS {_NAME}", script)), in_transaction=in_transaction)
    return [
        f"{fault}: {bare(statement)[:80]}"
        for statement in split(script)
        if not EXEMPT.search(statement)
        for fault in rules.of_statement(bare(statement))
    ]


class _Rules:
    """The rules for the statements of one migration, in their order."""

    def __init__(self, new_tables: set[str], *, in_transaction: bool) -> None:
        self._new_tables = new_tables
        self._in_transaction = in_transaction
        # The table and the column of each constraint that a column is not NULL; and those that are validated.
        self._not_null: dict[str, tuple[str, str]] = {}
        self._validated: set[tuple[str, str]] = set()

    def of_statement(self, text: str) -> Iterator[str]:
        """The faults of a statement, which is in one line without comments."""
        word = text.upper()
        if self._in_transaction and ("CONCURRENTLY" in word or word.startswith("DO ")):
            yield "it cannot run in a transaction (RUN_IN_TRANSACTION = False)"
        if found := re.match(rf"CREATE (?:UNIQUE )?INDEX .*?\bON {_NAME}", text):
            if "IF NOT EXISTS" not in word:
                yield "it cannot be repeated (IF NOT EXISTS)"
            if found[1] not in self._new_tables and "CONCURRENTLY" not in word:
                yield "it stops all writes of the table (CREATE INDEX CONCURRENTLY)"
        elif found := re.match(rf"ALTER TABLE {_NAME} (.*)", text):
            if found[1] not in self._new_tables:
                for action in _actions(found[2]):
                    yield from self._of_action(found[1], action)
        elif word.startswith("DO "):
            if re.search(r"\b(?:INSERT|UPDATE|DELETE)\b", word) and not ("LIMIT" in word and "COMMIT" in word):
                yield "it keeps its locks until its end (a LOOP with LIMIT and COMMIT)"
        elif re.match(r"UPDATE|DELETE|WITH|INSERT(?!.*\bVALUES\b)", word):
            yield "it keeps its locks until its end (in batches: a DO with LOOP, LIMIT and COMMIT)"
        elif word.startswith("CREATE TABLE"):
            if "IF NOT EXISTS" not in word:
                yield "it cannot be repeated (IF NOT EXISTS)"
        elif word.startswith("DROP INDEX"):
            if not word.startswith("DROP INDEX CONCURRENTLY IF EXISTS"):
                yield "it stops all use of the table, or cannot be repeated (DROP INDEX CONCURRENTLY IF EXISTS)"
        elif not re.match(
            r"COMMENT ON|CREATE OR REPLACE (?:FUNCTION|TRIGGER)|DROP (?:FUNCTION|TRIGGER) IF EXISTS|INSERT", word
        ):
            yield "nobody knows whether it lets others work"

    def _of_action(self, table: str, action: str) -> Iterator[str]:
        """The faults of one action of ALTER TABLE on a table that is in use."""
        word = action.upper()
        if found := re.match(rf"ADD CONSTRAINT {_NAME}", action):
            if not (word.endswith(" NOT VALID") or " USING INDEX " in word):
                yield "it reads the table under a lock (NOT VALID, then VALIDATE CONSTRAINT by itself)"
            elif column := re.search(rf"CHECK \({_NAME} IS NOT NULL\) NOT VALID", action):
                self._not_null[found[1]] = (table, column[1])
        elif found := re.match(rf"VALIDATE CONSTRAINT {_NAME}", action):
            if found[1] in self._not_null:
                self._validated.add(self._not_null[found[1]])
        elif word.startswith("ADD "):
            yield from self._of_new_column(word)
        elif found := re.match(rf"ALTER (?:COLUMN )?{_NAME} (.*)", action):
            if found[2].upper() == "SET NOT NULL":
                if (table, found[1]) not in self._validated:
                    yield "it reads the table under a lock (before it CHECK (… IS NOT NULL), validated)"
            elif not re.match(r"(?:SET DEFAULT|DROP DEFAULT|DROP NOT NULL)\b", found[2].upper()):
                yield "it writes every row under a lock (a new column)"
        elif re.fullmatch(r"SET \((?:AUTOVACUUM_\w+|VACUUM_TRUNCATE) = \w+(?:\.\d+)?(?:, [^()]*)?\)", word):
            # PostgreSQL lets others read and write meanwhile.
            return
        elif word.startswith(("DROP ", "RENAME ")):
            if not word.startswith("DROP CONSTRAINT IF EXISTS"):
                yield "servers of the previous version use it (a version later), or no IF EXISTS"
        else:
            yield "nobody knows whether it lets others work"

    def _of_new_column(self, word: str) -> Iterator[str]:
        if not self._in_transaction and not word.startswith("ADD COLUMN IF NOT EXISTS "):
            yield "it cannot be repeated (ADD COLUMN IF NOT EXISTS)"
        is_constant = _CONSTANT.search(word) is not None
        if "NOT NULL" in word and not is_constant:
            yield "servers of the previous version do not fill the column (nullable, or a constant DEFAULT)"
        elif "DEFAULT" in word and not is_constant:
            yield "it writes every row under a lock (a constant DEFAULT)"
        if _OF_COLUMNS.search(word):
            yield "it reads or writes every row under a lock (constraints and indexes by themselves)"


def _actions(text: str) -> list[str]:
    """The actions of an ALTER TABLE: commas separate them, except in brackets."""
    actions, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            actions.append("")
        else:
            actions[-1] += letter
    return [action.strip() for action in actions]
