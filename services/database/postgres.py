"""Connections to PostgreSQL: options, and checks that the server is usable."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg
import structlog

from services.database.address import Address, Host, name_of
from services.database.builtin_types import Connection
from services.database.primaries import Primaries, Primary, primary_of
from services.errors import DatabaseUnavailable

_log = structlog.stdlib.get_logger(__name__)

CONNECT_TIMEOUT_S = 5
# How long the first connection to one of several hosts waits to hear which is the primary.
LOOK_TIMEOUT_S = 1.0
URL = "TAXIRANK_DATABASE_URL"
DIRECT_URL = "TAXIRANK_DATABASE_DIRECT_URL"
# Whether the server accepted the options of the connection. A pooler may drop them.
_TAKEN = "current_setting('jit') = 'off' AND current_setting('default_transaction_isolation') = 'read committed'"
_OWN_OPTIONS = {
    # Planning a trip page with the just-in-time compiler costs more than running it.
    "jit": "off",
    # A plan is kept as long as its connection, including that of a foreign key's check. A plan made while a table
    # was small would still read the whole table when it has grown. A search without an index still does so.
    "enable_seqscan": "off",
    # Each connection plans a statement once. By itself PostgreSQL plans its first five executions, and some
    # statements each time, although every plan uses the same indexes.
    "plan_cache_mode": "force_generic_plan",
    # One UPDATE decides who wins: the others must wait for it and find no row, not fail.
    "default_transaction_isolation": "read committed",
}


class WrongDatabase(DatabaseUnavailable):
    """The database answers, but a server cannot work with it. The text is one line that names the setting."""


def reason(error: BaseException) -> str:
    """Why a connection or a statement failed, never an empty text."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return str(error) or type(error).__name__


class _FormerPrimary(asyncpg.TargetServerAttributeNotMatched):
    """The host accepts writes, which will be lost."""


class Connector:
    """Opens connections to one PostgreSQL; of several hosts to the one that accepts writes.

    If several accept writes, it is the one that was promoted last. It tries the host of the last connection first:
    after a failover only the first caller waits for the dead one.
    """

    def __init__(
        self,
        url: str,
        *,
        setting: str,
        is_pooled: bool = False,
        command_timeout_s: float | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        """``setting`` names the URL in errors. Through a pooler (``is_pooled``) no ``options`` can be set."""
        self.address = Address.parse(url)
        self._setting = setting
        self._hosts = list(self.address.hosts)
        # Behind a pooler at one address a statement may go to another server than the one before.
        self.knows_servers = len(self._hosts) > 1 or not is_pooled
        self.primaries = Primaries()
        # Called when another server has become the primary, before the next connection to it is opened.
        self.on_promotion: Callable[[], None] = lambda: None
        self._has_looked = len(self._hosts) == 1
        self._attempts: dict[asyncio.Timeout, Host] = {}
        self._connections: WeakKeyDictionary[asyncpg.Connection, Host] = WeakKeyDictionary()
        self._silent: set[Host] = set()
        self._command_timeout_s = command_timeout_s
        own = {} if is_pooled else _OWN_OPTIONS | (options or {})
        self._options = {"application_name": "taxirank"} | own

    async def connect(self, *_: object, **arguments: Any) -> asyncpg.Connection:
        """A new connection to a server that accepts writes. asyncpg's pool calls it in place of
        ``asyncpg.connect``.

        Each host has CONNECT_TIMEOUT_S; those that ``give_up`` names are not tried.

        Raises:
            WrongDatabase: the server is read-only, or a pooler where PostgreSQL itself is needed.
            DatabaseUnavailable: no host accepts the connection.
        """
        failures: list[Exception] = []
        if not self._has_looked:
            await self._look()
        for host in tuple(self._hosts):
            if host in self._silent:
                failures.append(TimeoutError(f"{name_of(host)} has given no answer for seconds"))
                continue
            try:
                async with asyncio.timeout(None) as attempt:
                    self._attempts[attempt] = host
                    try:
                        return await self._connect_to(host, arguments)
                    finally:
                        del self._attempts[attempt]
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched) as error:
                failures.append(error)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                if "startup parameter" in str(error):
                    raise WrongDatabase(f"{self._setting}: {error}: {_NAME_DIRECT}") from error
                raise DatabaseUnavailable(reason(error)) from error
            except asyncio.CancelledError:
                # The caller cancelled. The next caller begins with another host.
                self._try_last(host)
                raise
            self._try_last(host)
        # Of several hosts, the errors of the others say more than that one is a standby.
        for failure in failures:
            if not isinstance(failure, asyncpg.TargetServerAttributeNotMatched):
                raise DatabaseUnavailable(reason(failure)) from failure
        for failure in failures:
            if isinstance(failure, _FormerPrimary):
                raise WrongDatabase(f"{self._setting}: {failure}") from failure
        raise WrongDatabase(
            f"{self._setting}: {self._names()} accepts no writes (is it a standby?): use the primary"
        )

    async def open(self, host: Host, *, target: str, **arguments: Any) -> asyncpg.Connection:
        """A new connection to that host.

        Raises: as ``asyncpg.connect`` does.
        """
        return await asyncpg.connect(
            self.address.rest,
            host=host[0],
            port=host[1],
            user=self.address.user,
            database=self.address.database,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=self._command_timeout_s,
            server_settings=self._options,
            target_session_attrs=target,
            connection_class=Connection,
            **arguments,
        )

    def learn(self, host: Host, primary: Primary) -> None:
        """Use this server if it has taken the place of another: all connections to that one end, with the
        statements that wait for an answer.
        """
        is_new = self.primaries.learn(primary)
        if is_new:
            _log.warning("the database has a new primary", host=name_of(host), timeline=primary.timeline)
            self._try_first(host)
            # The next host is tried at once.
            self._end_attempts(lambda at: at != host)
            self.on_promotion()

    def give_up(self, host: Host) -> None:
        """Until ``found``: end all connections to a host that gives no answer, with the statements that wait for
        one, and open none, which would wait too.
        """
        self._silent.add(host)
        for connection, at in list(self._connections.items()):
            if at == host:
                connection.terminate()
        self._end_attempts(lambda at: at == host)

    def found(self, host: Host) -> None:
        """A host gives answers (again)."""
        self._silent.discard(host)

    async def is_former(self, connection: asyncpg.Connection) -> bool:
        """Whether another server has taken the place of the one with this connection.

        Raises: as asyncpg's statements do.
        """
        if not self.knows_servers:
            return False
        primary = await primary_of(connection)
        return primary is not None and self.primaries.is_former(primary)

    async def _connect_to(self, host: Host, arguments: dict[str, Any]) -> asyncpg.Connection:
        of_pool = {name: arguments[name] for name in _OF_THE_POOL if name in arguments}
        connection = await self.open(host, target=self.address.target, **of_pool)
        if not self.knows_servers:
            return connection
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                primary = await primary_of(connection)
            if primary is None:
                raise asyncpg.TargetServerAttributeNotMatched(f"{name_of(host)} accepts no writes")
            if self.primaries.is_former(primary):
                raise _FormerPrimary(f"{name_of(host)} is a former primary: another server has taken its place")
        except BaseException:
            connection.terminate()
            raise
        self.learn(host, primary)
        self.primaries.admit(connection, primary)
        self._connections[connection] = host
        return connection

    async def _look(self) -> None:
        """Ask all hosts at once: the first that accepts writes may be a former primary."""
        found = await asyncio.gather(*map(self._ask, self.address.hosts))
        for primary in filter(None, found):
            self.primaries.learn(primary)
        for host, primary in zip(self.address.hosts, found, strict=True):
            if primary is not None and not self.primaries.is_former(primary):
                self._try_first(host)
                break
        self._has_looked = True

    async def _ask(self, host: Host) -> Primary | None:
        connection: asyncpg.Connection | None = None
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                connection = await self.open(host, target="any")
                return await primary_of(connection)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            # If no other host is the primary, this one is tried again, and its error told.
            return None
        finally:
            if connection is not None:
                connection.terminate()

    def _end_attempts(self, is_one: Callable[[Host], bool]) -> None:
        for attempt, host in self._attempts.items():
            if is_one(host) and not attempt.expired():
                attempt.reschedule(0)

    def _try_first(self, host: Host) -> None:
        self._hosts.remove(host)
        self._hosts.insert(0, host)

    def _try_last(self, host: Host) -> None:
        if self._hosts[0] == host:
            self._hosts.append(self._hosts.pop(0))

    async def check_direct(self, connection: asyncpg.Connection) -> None:
        """Raises: WrongDatabase if it goes through a pooler, where a session may end with each statement."""
        if not await self.is_direct(connection):
            raise WrongDatabase(f"{self._setting}: {IGNORES_OPTIONS}: {_NAME_DIRECT}")

    async def is_direct(self, connection: asyncpg.Connection) -> bool:
        """Whether it leads to PostgreSQL itself, not to a pooler that ignores its options."""
        return bool(await connection.fetchval(f"SELECT {_TAKEN}"))

    def _names(self) -> str:
        return ", ".join(map(name_of, self.address.hosts))


_OF_THE_POOL = ("loop", "record_class")
IGNORES_OPTIONS = "the options of a connection have no effect"
_PROBE = "taxirank_probe"
FORGETS_STATEMENTS = (
    "the pooler forgets prepared statements: PgBouncer 1.21 or newer, with max_prepared_statements"
)
_NAME_DIRECT = (
    f"it leads to a pooler such as PgBouncer; name PostgreSQL's own address in {DIRECT_URL}, "
    "for locks and migrations"
)


async def check_pooler(connections: Sequence[asyncpg.Connection], *, setting: str) -> None:
    """Check a pooler in front of PostgreSQL, through two connections to it.

    Raises:
        WrongDatabase: it loses prepared statements, or its transactions are stricter than necessary.
    """
    first, second = connections
    level = await first.fetchval("SELECT current_setting('default_transaction_isolation')")
    if level != "read committed":
        raise WrongDatabase(
            f"{setting}: transactions are {level} by default, and behind a pooler only the database can be told "
            "otherwise: ALTER ROLE … SET default_transaction_isolation = 'read committed'"
        )
    try:
        # Both go through the same connection behind the pooler, where one name can mean only one statement. They
        # are executed, because a statement that is only prepared keeps that connection.
        await (await first.prepare("SELECT 1", name=_PROBE)).fetchval()
        await (await second.prepare("SELECT 2", name=_PROBE)).fetchval()
    except asyncpg.DuplicatePreparedStatementError:
        raise WrongDatabase(f"{setting}: {FORGETS_STATEMENTS}") from None
