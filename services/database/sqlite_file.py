"""Checks at the start that the SQLite file is usable."""

import sqlite3
from contextlib import closing
from pathlib import Path

_BUSY_S = 5.0
_ADVICE = {
    sqlite3.SQLITE_NOTADB: "is not an SQLite database: use another file, or one that does not exist yet",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
    sqlite3.SQLITE_READONLY: "cannot be written: give this user write permission, also for its folder",
    sqlite3.SQLITE_FULL: "cannot be written because the disk is full",
}


class UnusableFile(Exception):
    """The SQLite file cannot be used. The text is one line that says what to do."""


def check_file(path: Path) -> None:
    """Check that the file is an SQLite database or can be created, and is writable. Creates its folders.

    Raises:
        UnusableFile
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            # Write the same value: only a write shows that file, folder and disk allow writing.
            database.execute(f"PRAGMA user_version = {version}")
    except sqlite3.Error as error:
        # The lower byte is the kind of error.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            # Another process is writing, so the file is writable.
            return
        advice = _ADVICE.get(code, f"cannot be used ({error}): use a file that this user may read and write")
        raise UnusableFile(f"{path} {advice}") from error
    except OSError as error:
        raise UnusableFile(
            f"{path} cannot be created ({error.strerror}): use a file in a folder where this user may write"
        ) from error
