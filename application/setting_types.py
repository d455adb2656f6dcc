"""The types of text settings. A wrong value raises a ValueError that says what is expected."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from services.database.address import Address
from services.events import cluster_address
from services.events.redis_address import RedisAddress
from services.limits.rates import Rate
from services.notifications.addresses import sender_of
from services.notifications.transports import SmtpServer
from services.notifications.web_push import VapidKeys, new_keys


def _database_url(value: str) -> str:
    if not re.match(r"^(sqlite|postgres|postgresql)://.", value):
        raise ValueError("must begin with sqlite:// or postgresql://")
    if not value.startswith("sqlite://"):
        Address.parse(value)
    return value


def _postgres_url(value: str) -> str:
    if not re.match(r"^(postgres|postgresql)://.", value):
        raise ValueError("must begin with postgresql://")
    Address.parse(value)
    return value


def _redis_url(value: str) -> str:
    if cluster_address.parse(value) is None:
        RedisAddress.parse(value)
    return value


def _topic_prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", value):
        raise ValueError("must be 1 to 40 of the characters A-Z, a-z, 0-9, _ and -")
    return value


def _http_url(value: str) -> str:
    # ASCII only: the HTTP client cannot resolve every international host name.
    if not (value.isascii() and re.fullmatch(r"https?://[\w\[][^\s?#]*", value)):
        raise ValueError("must be an address such as http://osrm.example:5000")
    return _with_port(value)


def _public_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/*\s]+/?", value):
        raise ValueError("must be an address such as https://taxi.example")
    return _as_browsers_send(_with_port(value.rstrip("/")))


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        if not re.fullmatch(r"https?://[^/*\s,]+", origin):
            raise ValueError(f"{origin!r} is not an origin such as https://app.example")
    return tuple(_as_browsers_send(origin) for origin in value)


# A name or an address with a port. These become part of a Content-Security-Policy: nothing else may be in them.
_HOST = r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?"


def _map_style_url(value: str) -> str:
    if not re.fullmatch(rf"https?://{_HOST}/[!-~]*", value) or "#" in value:
        raise ValueError("must be an address such as https://tiles.example/style.json")
    return _with_port(value)


def _map_origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        if not re.fullmatch(rf"https?://{_HOST}", origin):
            raise ValueError(f"{origin!r} is not an origin such as https://tiles.example")
    return tuple(_as_browsers_send(_with_port(origin)) for origin in value)


def _host_names(value: tuple[str, ...]) -> tuple[str, ...]:
    for host in value:
        if not re.fullmatch(r"\*|[^\s/:*@]+", host):
            raise ValueError(f"{host!r} is not a name such as taxi.example, without a port")
    return tuple(host.lower() for host in value)


def _private_hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    hosts = tuple(host.lower() for host in value)
    for host in hosts:
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?(?::[0-9]{1,5})?", host):
            raise ValueError(f"{host!r} is not a host such as billing.internal or billing.internal:8080")
        _with_port(f"http://{host}")
    return hosts


def _networks(value: str) -> str:
    for item in filter(None, map(str.strip, value.split(","))):
        try:
            network = ip_network(item)
        except ValueError:
            raise ValueError(f"{item!r} is not an address, or a network such as 10.0.0.0/8") from None
        if network.prefixlen == 0:
            # A client could then claim any address in X-Forwarded-For.
            raise ValueError(f"{item!r} trusts every address: give the addresses or the network of the proxies")
    return value


def _rate(value: str) -> str:
    Rate.parse(value)
    return value


def _file(value: object) -> object:
    # Path("") is the working directory.
    if value == "":
        raise ValueError("must name a file")
    return value


def _folder(value: object) -> object:
    # Path("") is the working directory.
    if value == "":
        raise ValueError("must name a folder")
    return value


def _none_if_off(value: object) -> object:
    return None if value == "off" else value


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _with_port(url: str) -> str:
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ValueError("its port is not a number up to 65535") from None
    return url


def _as_browsers_send(origin: str) -> str:
    """The origin in lower case and without the scheme's default port: origins are compared as text."""
    scheme, _, host = origin.lower().partition("://")
    return f"{scheme}://{host.removesuffix(':443' if scheme == 'https' else ':80')}"


def _smtp_url(value: str) -> str:
    SmtpServer.parse(value)
    return value


def _mail_sender(value: str) -> str:
    sender_of(value)
    return value


def _vapid_private_key(value: str) -> str:
    VapidKeys(value, _A_SUBJECT)
    return value


def _vapid_subject(value: str) -> str:
    VapidKeys(new_keys()[0], value)
    return value


_A_SUBJECT = "mailto:ops@taxi.example"

DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
PostgresUrl = Annotated[str, AfterValidator(_postgres_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
TopicPrefix = Annotated[str, AfterValidator(_topic_prefix)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_origins)]
MapStyleUrl = Annotated[str, AfterValidator(_map_style_url)]
MapOrigins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_map_origins)]
HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_host_names)]
PrivateHosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_private_hosts)]
Networks = Annotated[str, AfterValidator(_networks)]
SmtpUrl = Annotated[str, AfterValidator(_smtp_url)]
MailSender = Annotated[str, AfterValidator(_mail_sender)]
VapidPrivateKey = Annotated[str, AfterValidator(_vapid_private_key)]
VapidSubject = Annotated[str, AfterValidator(_vapid_subject)]
RateText = Annotated[str, AfterValidator(_rate)]
File = Annotated[Path, BeforeValidator(_file)]
Folder = Annotated[Path, BeforeValidator(_folder)]
OFF_IS_NONE = BeforeValidator(_none_if_off)
