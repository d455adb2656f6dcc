"""The address of PostgreSQL: one host or several."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

DEFAULT_PORT = 5432
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

# A host of None means the usual folders of sockets.
Host = tuple[str | None, int]


class BadUrl(ValueError):
    """The URL is not a valid PostgreSQL address. The text says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a PostgreSQL, from its URL: one host or several, of which one accepts writes."""

    hosts: tuple[Host, ...]
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


def name_of(host: Host) -> str:
    """A host, with its port, for people."""
    return f"{host[0] or 'this machine'}:{host[1]}"


def _hosts(hosts: str, ports: str) -> tuple[Host, ...]:
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
