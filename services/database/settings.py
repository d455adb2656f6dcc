"""The settings that the database layer reads."""

from pathlib import Path
from typing import Protocol


def sqlite_path(url: str) -> Path | None:
    """The file of a database's URL; None unless it begins with ``sqlite://``."""
    scheme, _, rest = url.partition("://")
    return Path(rest) if scheme == "sqlite" else None


class DatabaseSettings(Protocol):
    """The settings that the database reads; `Settings` of the application has them."""

    @property
    def database_url(self) -> str:
        """`sqlite://FILE`, or an address of PostgreSQL or of a pooler."""
        ...

    @property
    def database_direct_url(self) -> str | None:
        """PostgreSQL's own address, where the other is a pooler's."""
        ...

    @property
    def database_pool_size(self) -> int:
        """How many connections a process has to PostgreSQL."""
        ...

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None on PostgreSQL."""
        ...

    @property
    def redis_url(self) -> str | None:
        """Where events travel between servers; None: a server is alone with its database."""
        ...
