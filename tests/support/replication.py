"""A PostgreSQL and its hot standby: real servers from the wheel, to kill, to freeze and to promote."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from urllib.parse import urlsplit

import psutil

from tests.support.servers import OwnPostgres, Tools, own_postgres, signal_all
from tests.support.waiting import PATIENCE_S

USER = "postgres"


class Node:
    """A PostgreSQL in a folder of its own: a primary, or a hot standby, which answers reads."""

    def __init__(self, tools: Tools, data: Path, folder: Path) -> None:
        """``data``: where its files are; ``folder``: where its socket is."""
        self._tools = tools
        self._data = data
        self.folder = str(folder)

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._postmaster() is not None

    def url(self, database: str = "postgres") -> str:
        """The address of a database on this server alone."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def copy_of(self, primary: "Node") -> None:
        """Become a standby of the primary."""
        target = ("-D", str(self._data), "-R", "--checkpoint=fast")
        self._tools.run("pg_basebackup", "-d", primary.url(), *target)

    def start(self) -> None:
        """Start it, as what it was last."""
        listening = f'-h "" -k {self.folder}'
        # Its output must not keep a pipe of the test open.
        self._pg_ctl("-o", listening, "-l", str(self._data / "log"), "start")

    def stop(self) -> None:
        """Stop it, if it runs; returns when it has ended."""
        self.thaw()
        if (postmaster := self._postmaster()) is not None:
            with suppress(CalledProcessError):
                self._pg_ctl("-m", "immediate", "stop")
            # pg_ctl returns a moment earlier, and whoever stops it again then finds no process.
            postmaster.wait(PATIENCE_S)

    def kill(self) -> None:
        """Kill it with all its connections, as a machine that loses its power."""
        for process in self._signalled(signal.SIGKILL):
            process.wait(PATIENCE_S)

    def freeze(self) -> None:
        """Freeze it with every connection open, as a machine that stands still."""
        self._signalled(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        self._signalled(signal.SIGCONT)

    def promote(self) -> None:
        """Make it the primary, which waits for no standby of its own."""
        self.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        self._pg_ctl("promote")

    def rejoin(self, primary: "Node") -> None:
        """Start it, empty, as a standby of the primary that has taken its place, as an operator does."""
        for path in self._data.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        self.copy_of(primary)
        self.start()

    def rejoin_after_stop(self, primary: "Node") -> None:
        """Stop it first."""
        self.stop()
        self.rejoin(primary)

    def start_as_standby(self) -> None:
        """Start it as a standby of the server that it followed last, which may have nothing for it."""
        (self._data / "standby.signal").touch()
        self.start()

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run a statement; its result as text."""
        arguments = ("-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement)
        return self._tools.run("psql", "-d", self.url(database), *arguments).strip()

    def _pg_ctl(self, *arguments: str) -> None:
        self._tools.run("pg_ctl", "-w", "-D", str(self._data), *arguments)

    def _postmaster(self) -> psutil.Process | None:
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
            # The file stays behind when it is killed, and another process may have its number by then.
            return process if process.name() == "postgres" else None
        return None

    def _signalled(self, number: signal.Signals) -> list[psutil.Process]:
        postmaster = self._postmaster()
        if postmaster is None:
            return []
        return signal_all(postmaster, number)


@dataclass
class Pair:
    """A primary whose commits wait until its standby has them, and that standby."""

    primary: Node
    standby: Node
    _database_url: str

    @property
    def database_url(self) -> str:
        """The migrated database, wherever it accepts writes."""
        return self._at(f"{self.primary.folder},{self.standby.folder}")

    def at(self, node: Node) -> str:
        """The migrated database on one of the two."""
        return self._at(node.folder)

    def _at(self, folders: str) -> str:
        name = urlsplit(self._database_url).path.lstrip("/")
        return f"postgresql://{USER}@/{name}?host={folders}"


@contextmanager
def standby_of(primary: OwnPostgres) -> Iterator[Node]:
    """A hot standby that follows a PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="taxirank-standby-"))
    primary.tools.give(folder)
    standby = Node(primary.tools, folder / "data", folder)
    try:
        standby.copy_of(Node(primary.tools, primary.data, primary.socket_folder))
        standby.start()
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replicated() -> Iterator[Pair]:
    """A primary with a synchronous hot standby, and a migrated database."""
    with own_postgres() as own, standby_of(own) as standby:
        primary = Node(own.tools, own.data, own.socket_folder)
        own.execute(
            # What is not waited for could be lost with the primary.
            "ALTER SYSTEM SET synchronous_commit = on",
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "SELECT pg_reload_conf()",
        )
        url = own.copy()
        try:
            yield Pair(primary, standby, url)
        finally:
            primary.stop()
