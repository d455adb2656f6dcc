"""The client network that rate limits count by."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

# The smallest IPv6 prefix of a customer (RFC 6177): a client can use every address of its /64.
_IPV6_PREFIX = 64
_HOST_BITS = 128 - _IPV6_PREFIX

# The client's address is unknown: behind a Unix socket, or a proxy that does not send it. All such clients share
# one limit.
UNKNOWN = "unknown"
# How many addresses are remembered, and the longest one: a client may send anything as its address.
_REMEMBERED, _REMEMBERED_CHARS = 4096, 64


def network_of(host: str | None) -> str:
    """The network that counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    host = host or ""
    return _known(host) if len(host) <= _REMEMBERED_CHARS else _read(host)


def _read(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return f"{IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS)}/{_IPV6_PREFIX}"
        address = address.ipv4_mapped
    return str(address)


# To read an address takes as long as to refuse a request.
_known = lru_cache(_REMEMBERED)(_read)


def is_loopback(host: str | None) -> bool:
    """Whether ``host`` is a loopback address."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
