"""The settings that the database layer reads."""

from pathlib import Path
from typing import Protocol


def sqlite_path(url: str) -> Path | None:
    """The file in a database URL; None unless it begins with ``sqlite://``."""
    scheme, _, rest = url.partition("://")
    return Path(rest) if scheme == "sqlite" else None


class DatabaseSettings(Protocol):
    """The settings that the database reads; `Settings` of the application has them."""

    @property
    def database_url(self) -> str:
        """`sqlite://FILE`, or the address of PostgreSQL or of a pooler."""
        ...

    @property
    def database_direct_url(self) -> str | None:
        """PostgreSQL's own address, if the other one is a pooler's."""
        ...

    @property
    def database_replica_url(self) -> str | None:
        """The address of replicas; None: there is none, or none is read."""
        ...

    @property
    def database_replica_max_age_s(self) -> float:
        """How old the rows of a replica may be, in seconds."""
        ...

    @property
    def database_pool_size(self) -> int:
        """The number of connections of a process to PostgreSQL."""
        ...

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None on PostgreSQL."""
        ...

    @property
    def redis_url(self) -> str | None:
        """The Redis that carries events between servers; None: only this server uses the database."""
        ...
