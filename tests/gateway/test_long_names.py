"""Host names and origins from clients are bounded before any cache keeps them."""

import tracemalloc

import pytest
from starlette.datastructures import Headers

from gateway.uvicorn.request_head import Refused, check
from schema.transport.origins import Origins


@pytest.mark.attack("protocol")
def test_long_hosts_and_origins_are_not_cached() -> None:
    def ask(number: int) -> None:
        long = f"{number}{'a' * 30_000}.example"
        with pytest.raises(Refused):
            check([(b"host", long.encode())], version="1.1")
        origins = Origins(public_url=None, allowed=())
        headers = Headers({"origin": f"https://{long}", "host": "localhost"})
        assert not origins.allows_socket({"type": "websocket", "scheme": "ws"}, headers)

    ask(0)
    tracemalloc.start()
    try:
        for number in range(200):
            ask(number)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1_000_000
