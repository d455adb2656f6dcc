"""The address of Redis: what it says, and which mistakes are told."""

import pytest
from redis.asyncio.connection import SSLConnection

from services.events.redis_address import BadRedisUrl, RedisAddress


def test_an_address_of_sentinels_says_where_they_are_what_they_watch_and_who_logs_in() -> None:
    address = RedisAddress.parse(
        "rediss+sentinel://me:p%40ss%2Fword@one.example:26380,two.example,[fe80::1]:1/my%20city/3"
        "?ssl_ca_certs=/ca.pem&sentinel_username=watcher&sentinel_password=s%26cret"
    )
    assert address.sentinels == (("one.example", 26380), ("two.example", 26379), ("fe80::1", 1))
    assert address.service == "my city"
    assert address.is_encrypted
    assert address.options == {
        "username": "me",
        "password": "p@ss/word",
        "db": 3,
        "ssl_ca_certs": "/ca.pem",
        "connection_class": SSLConnection,
    }
    assert address.sentinel_options == {
        "username": "watcher",
        "password": "s&cret",
        "ssl_ca_certs": "/ca.pem",
        "connection_class": SSLConnection,
    }
    assert address.shown == "rediss+sentinel://one.example:26380,two.example:26379,[fe80::1]:1/my city/3"


def test_the_login_at_the_primary_is_not_used_at_the_sentinels() -> None:
    address = RedisAddress.parse("redis+sentinel://:secret@one:1,two:2/city")
    assert (address.options["password"], address.options["db"]) == ("secret", 0)
    assert (address.sentinel_options, address.is_encrypted) == ({}, False)
    assert "secret" not in repr(address)


def test_an_address_of_one_server_is_read_as_redis_py_reads_it() -> None:
    address = RedisAddress.parse("rediss://me:pass%40word@redis.example:6390/2")
    assert (address.options["host"], address.options["port"], address.options["db"]) == ("redis.example", 6390, 2)
    assert (address.sentinels, address.shown) == ((), "rediss://redis.example:6390/2")
    assert RedisAddress.parse("unix:///run/redis.sock?db=1").shown == "unix:///run/redis.sock"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://one:1", "must begin with redis://"),
        ("sentinel://one:1/city", r"redis\+sentinel://"),
        ("redis://one:1,two:2/0", r"several hosts: for sentinels write redis\+sentinel://"),
        ("redis://one:port/0", "port is not a number"),
        ("redis+sentinel://one:1,two:2", "must name the service"),
        ("redis+sentinel://one:1/", "must name the service"),
        ("redis+sentinel://one:1,/city", "one of its hosts is empty"),
        ("redis+sentinel:///city", "one of its hosts is empty"),
        ("redis+sentinel://one:port/city", "port is not a number up to 65535"),
        ("redis+sentinel://one:0/city", "port is not a number up to 65535"),
        ("redis+sentinel://one:70000/city", "port is not a number up to 65535"),
        ("redis+sentinel://one;two/city/0;1", "where only the number of a database may be"),
        ("redis+sentinel://fe80::1/city", "is not the address of a sentinel"),
        ("redis+sentinel://one:1,one:1/city", "names the sentinel one:1 twice"),
        ("redis+sentinel://one:1/city/zero", "where only the number of a database may be"),
        ("redis+sentinel://one:1/city?ssl_ca_certs", "name=value"),
        ("redis+sentinel://one:1/city?db=1", "the option db, which has its place before the ?"),
        ("redis+sentinel://one:1/city?socket_timeout=long", "socket_timeout"),
    ],
)
def test_a_mistake_in_the_address_is_told(url: str, told: str) -> None:
    with pytest.raises(BadRedisUrl, match=told) as refused:
        RedisAddress.parse(url)
    assert "\n" not in str(refused.value)
