"""The address of Redis in its setting: one server, or the sentinels that know which server is the primary."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.asyncio.connection import SSLConnection, parse_url

DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379
SINGLE = ("redis", "rediss", "unix")
SENTINEL = ("redis+sentinel", "rediss+sentinel")
SENTINEL_FORM = "redis+sentinel://HOST:PORT,HOST:PORT,HOST:PORT/SERVICE"

# The login at the sentinels. That in front of the hosts is the login at the primary.
_SENTINEL_LOGIN = {"sentinel_username": "username", "sentinel_password": "password"}

Place = tuple[str, int]


class BadRedisUrl(ValueError):
    """The URL is not a valid address of Redis. The text says why."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is, and how connections log in.

    ``shown``: the address without user, password and options. ``options``: of redis-py's connections to Redis:
    login, database, TLS; of a single server also its host. ``sentinels``: none for a single server.
    """

    shown: str
    options: Mapping[str, Any] = field(repr=False)
    sentinels: tuple[Place, ...] = ()
    service: str = ""
    sentinel_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_encrypted(self) -> bool:
        """Whether connections use TLS."""
        return self.options.get("connection_class") is SSLConnection

    @classmethod
    def parse(cls, url: str) -> "RedisAddress":
        """Raises: BadRedisUrl."""
        scheme = url.partition("://")[0]
        if scheme in SENTINEL:
            return _of_sentinels(url)
        if scheme not in SINGLE:
            raise BadRedisUrl(
                "must begin with redis:// or rediss://, or for a primary that sentinels name with "
                "redis+sentinel:// or rediss+sentinel://"
            )
        parts = urlsplit(url)
        if scheme != "unix" and "," in parts.netloc.rpartition("@")[2]:
            raise BadRedisUrl(f"has several hosts: for sentinels write {SENTINEL_FORM}")
        try:
            _ = parts.port
        except ValueError:
            raise BadRedisUrl(_WRONG_PORT) from None
        try:
            return cls(_shown(url), parse_url(url))
        except ValueError as error:
            raise BadRedisUrl(str(error)) from None


_WRONG_PORT = "its port is not a number up to 65535"


def _of_sentinels(url: str) -> RedisAddress:
    scheme, login, hosts, rest = split_hosts(url)
    parts = urlsplit(f"//{rest}")
    service, _, database = parts.path.lstrip("/").partition("/")
    service = unquote(service)
    if not service:
        raise BadRedisUrl(f"must name the service that the sentinels watch: {SENTINEL_FORM}")
    if database and not (database.isascii() and database.isdigit()):
        raise BadRedisUrl(f"has {database!r} after the service, where only the number of a database may be")
    try:
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise BadRedisUrl("the text after its ? must have the form name=value&name=value") from None
    if misplaced := sorted(query.keys() & {"host", "port", "db"}):
        raise BadRedisUrl(
            f"has the option {misplaced[0]}, which has its place before the ?: HOST:PORT/SERVICE/DATABASE"
        )
    places = tuple(_place(item) for item in hosts)
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise BadRedisUrl(f"names the sentinel {shown_place(twice)} twice")
    sentinel_login = {name: query.pop(option) for option, name in _SENTINEL_LOGIN.items() if option in query}
    single = "rediss" if scheme == SENTINEL[1] else "redis"
    try:
        found = dict(
            parse_url(f"{single}://{login if login != '@' else ''}placeholder/{database or 0}?{urlencode(query)}")
        )
    except ValueError as error:
        raise BadRedisUrl(str(error)) from None
    del found["host"]
    tls = {name: value for name, value in found.items() if name == "connection_class" or name.startswith("ssl_")}
    listed = ",".join(map(shown_place, places))
    return RedisAddress(
        f"{scheme}://{listed}/{service}/{database or 0}", found, places, service, {**tls, **sentinel_login}
    )


def split_hosts(url: str) -> tuple[str, str, list[str], str]:
    """The scheme, the login with its ``@``, the hosts with their ports, and the rest of a URL.

    By hand: ``urlsplit`` knows no list of hosts.
    """
    scheme, _, after = url.partition("://")
    authority = re.split("[/?#]", after, maxsplit=1)[0]
    login, at, hosts = authority.rpartition("@")
    return scheme, login + at, hosts.split(","), after.removeprefix(authority)


def _place(text: str) -> Place:
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([^:]*))?", text)
    if found is None:
        raise BadRedisUrl(f"{text!r} is not the address of a sentinel: HOST:PORT")
    host, port = unquote(found[1] or found[2] or ""), found[3]
    if not host:
        raise BadRedisUrl("one of its hosts is empty")
    if port is None:
        return host, DEFAULT_SENTINEL_PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= 65535):
        raise BadRedisUrl(_WRONG_PORT)
    return host, int(port)


def shown_place(place: Place) -> str:
    """``HOST:PORT``."""
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _shown(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    database = parts.path.strip("/") or "0"
    return f"{parts.scheme}://{parts.hostname or 'localhost'}:{parts.port or DEFAULT_PORT}/{database}"
