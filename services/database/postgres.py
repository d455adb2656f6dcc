"""Connections to PostgreSQL: hosts, options, and checks that the server is usable."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import asyncpg

from services.database.builtin_types import Connection
from services.errors import DatabaseUnavailable

CONNECT_TIMEOUT_S = 5
DEFAULT_PORT = 5432
URL = "TAXIRANK_DATABASE_URL"
DIRECT_URL = "TAXIRANK_DATABASE_DIRECT_URL"
# A server needs to write. `primary` also accepts a primary that is set to read-only; a later check finds that.
TARGETS = ("read-write", "primary")
# The allowed options after the `?` of a URL. asyncpg would send all others to the server as settings.
_FOR_ASYNCPG = {
    "passfile",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
}
_KNOWN = {*_FOR_ASYNCPG, "host", "port", "target_session_attrs"}
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


class BadUrl(ValueError):
    """The URL is not a valid PostgreSQL address. The text says why."""


def reason(error: BaseException) -> str:
    """Why a connection or a statement failed, never an empty text."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return str(error) or type(error).__name__


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a PostgreSQL, from its URL: one host or several, of which one accepts writes."""

    # A host of None means the usual folders of sockets. Ports are never None.
    hosts: tuple[tuple[str | None, int], ...]
    user: str
    database: str
    target: str
    # The rest of the URL (the password, TLS), which asyncpg reads.
    rest: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Raises: BadUrl."""
        # Newer Pythons cannot split an address with several hosts if one of them is in brackets.
        scheme, _, after = url.partition("://")
        authority = re.split("[/?#]", after, maxsplit=1)[0]
        login, _, netloc = authority.rpartition("@")
        parts = urlsplit(f"{scheme}://{after.removeprefix(authority)}")
        try:
            options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        except ValueError:
            raise BadUrl("the text after its ? must have the form name=value&name=value") from None
        hosts = _hosts(options.pop("host", None) or netloc, options.pop("port", ""))
        target = options.pop("target_session_attrs", TARGETS[0])
        if target not in TARGETS:
            raise BadUrl(f"its target_session_attrs must be {' or '.join(TARGETS)}, because a server writes")
        unknown = sorted(options.keys() - _FOR_ASYNCPG)
        if unknown:
            raise BadUrl(f"its option {unknown[0]} is unknown: use {', '.join(sorted(_KNOWN))}")
        return cls(
            hosts,
            unquote(login.partition(":")[0]) or "postgres",
            unquote(parts.path.lstrip("/")) or "postgres",
            target,
            parts._replace(netloc=f"{login}@" if login else "", query=urlencode(options)).geturl(),
        )


def _hosts(hosts: str, ports: str) -> tuple[tuple[str | None, int], ...]:
    found: list[tuple[str | None, int | None]] = []
    for item in hosts.split(","):
        if item.startswith("["):
            host, _, port = item[1:].partition("]")
            port = port.removeprefix(":")
        else:
            host, _, port = item.partition(":")
        found.append((unquote(host) or None, _port(port) if port else None))
    given = [_port(port) for port in ports.split(",")] if ports else [None]
    if len(given) not in {1, len(found)}:
        raise BadUrl(f"it has {len(found)} hosts and {len(given)} ports")
    if len(given) == 1:
        given *= len(found)
    if len(found) > 1 and any(host is None for host, _ in found):
        raise BadUrl("one of its hosts is empty")
    return tuple(
        (host, of_query or own or DEFAULT_PORT) for (host, own), of_query in zip(found, given, strict=True)
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 65535):
        raise BadUrl("its port is not a number up to 65535")
    return int(text)


class Connector:
    """Opens connections to one PostgreSQL; of several hosts to the one that accepts writes.

    It tries the host of the last connection first: after a failover only the first caller waits for the dead one.
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
        self._command_timeout_s = command_timeout_s
        own = {} if is_pooled else _OWN_OPTIONS | (options or {})
        self._options = {"application_name": "taxirank"} | own

    async def connect(self, *_: object, **arguments: Any) -> asyncpg.Connection:
        """A new connection to a server that accepts writes. asyncpg's pool calls it in place of
        ``asyncpg.connect``.

        Each host has CONNECT_TIMEOUT_S.

        Raises:
            WrongDatabase: the server is read-only, or a pooler where PostgreSQL itself is needed.
            DatabaseUnavailable: no host accepts the connection.
        """
        failures: list[Exception] = []
        for host, port in tuple(self._hosts):
            try:
                return await self._connect_to(host, port, arguments)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched) as error:
                failures.append(error)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                if "startup parameter" in str(error):
                    raise WrongDatabase(f"{self._setting}: {error}: {_NAME_DIRECT}") from error
                raise DatabaseUnavailable(reason(error)) from error
            except asyncio.CancelledError:
                # The caller cancelled. The next caller begins with another host.
                self._try_last(host, port)
                raise
            self._try_last(host, port)
        # Of several hosts, the errors of the others say more than that one is a standby.
        for failure in failures:
            if not isinstance(failure, asyncpg.TargetServerAttributeNotMatched):
                raise DatabaseUnavailable(reason(failure)) from failure
        raise WrongDatabase(
            f"{self._setting}: {self._names()} accepts no writes (is it a standby?): use the primary"
        )

    async def _connect_to(self, host: str | None, port: int, arguments: dict[str, Any]) -> asyncpg.Connection:
        return await asyncpg.connect(
            self.address.rest,
            host=host,
            port=port,
            user=self.address.user,
            database=self.address.database,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=self._command_timeout_s,
            server_settings=self._options,
            target_session_attrs=self.address.target,
            connection_class=Connection,
            **{name: arguments[name] for name in _OF_THE_POOL if name in arguments},
        )

    def _try_last(self, host: str | None, port: int) -> None:
        if self._hosts[0] == (host, port):
            self._hosts.append(self._hosts.pop(0))

    async def check_direct(self, connection: asyncpg.Connection) -> None:
        """Raises: WrongDatabase if it goes through a pooler, where a session may end with each statement."""
        if not await connection.fetchval(f"SELECT {_TAKEN}"):
            raise WrongDatabase(f"{self._setting}: the options of a connection have no effect: {_NAME_DIRECT}")

    def _names(self) -> str:
        return ", ".join(f"{host or 'this machine'}:{port}" for host, port in self.address.hosts)


_OF_THE_POOL = ("loop", "record_class")
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
