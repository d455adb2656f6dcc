"""The errors that stop a start or a command, each as one line."""

from application.settings import PREFIX
from services.database import migrations
from services.database.connections import WrongDatabase
from services.database.instance_lock import AnotherServer
from services.database.postgres import reason
from services.database.sqlite_file import UnusableFile
from services.errors import DatabaseUnavailable, UserFaults


class StartError(Exception):
    """The server cannot start. Its text is one line that says what to do."""


def one_line(error: BaseException | None) -> str | None:
    """The line for the operator where the error is clear without its traceback; None for any other error."""
    match error:
        case UserFaults() | StartError() | AnotherServer() | WrongDatabase() | migrations.MigrationError():
            return str(error)
        case UnusableFile():
            return f"{PREFIX}DATABASE_URL: {error}"
        case DatabaseUnavailable() | OSError():
            return f"{PREFIX}DATABASE_URL: the database cannot be reached ({reason(error)})"
        case _:
            return None
