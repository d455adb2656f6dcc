"""Which addresses count as one client."""

import pytest

from services.limits.networks import UNKNOWN, is_loopback, network_of


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", UNKNOWN),
        (None, UNKNOWN),
        ("unknown", UNKNOWN),
        ("203.0.113.7:80", UNKNOWN),
        ("localhost", UNKNOWN),
        ("x" * 10_000, UNKNOWN),
    ],
)
def test_an_ipv4_address_and_the_64_of_an_ipv6_address_are_one_client(host: str | None, network: str) -> None:
    assert network_of(host) == network


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_recognised(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", [None, "", "localhost", "203.0.113.7", "2001:db8::1", "::ffff:203.0.113.7"])
def test_other_addresses_are_not_loopback(host: str | None) -> None:
    assert not is_loopback(host)
