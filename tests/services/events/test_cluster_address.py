"""The address of a Redis Cluster: some nodes, one login, and options of redis-py."""

import pytest

from services.events.cluster_address import BadClusterUrl, parse
from services.events.redis_link import RedisLink
from services.events.redis_nodes import Node


def test_each_node_gets_the_login_the_options_and_tls() -> None:
    address = parse("rediss+cluster://me:pass%40word@one.example:6390,two.example,[::1]:7000?ssl_cert_reqs=none")
    assert address is not None
    assert address.nodes == (Node("one.example", 6390), Node("two.example", 6379), Node("::1", 7000))
    assert address.url(address.nodes[2]) == "rediss://me:pass%40word@[::1]:7000/0?ssl_cert_reqs=none"
    assert address.shown == "rediss+cluster://one.example:6390,two.example:6379,[::1]:7000"
    assert "pass" not in repr(address)


def test_another_scheme_is_another_address() -> None:
    assert parse("redis://127.0.0.1:6379/0") is None
    assert not RedisLink("redis://127.0.0.1:6379/0").is_cluster
    assert RedisLink("redis+cluster://127.0.0.1:6379/0").is_cluster


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("redis+cluster://one:6379,one:6379", "twice"),
        ("redis+cluster://one:6379/3", "no numbered databases"),
        ("redis+cluster://one:99999", "port"),
        ("redis+cluster://one:x", "not the address of a node"),
        ("redis+cluster://one,,two", "not the address of a node"),
        ("redis+cluster://", "not the address of a node"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(url: str, fault: str) -> None:
    with pytest.raises(BadClusterUrl, match=fault):
        parse(url)
