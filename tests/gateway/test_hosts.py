"""The host names that the server answers to: a page must not make its own name point here."""

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from application.settings import Settings
from gateway.hosts import Hosts
from tests.conftest import LiveServer
from tests.support.api import open_socket
from tests.support.waiting import PATIENCE_S

pytestmark = [
    pytest.mark.attack("cross-site"),
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

KNOWN = [
    "127.0.0.1",
    "127.0.0.1:8000",
    "10.0.0.7",
    "[::1]:8000",
    "[::ffff:10.0.0.7]",
    "localhost",
    "localhost.:80",
]
KNOWN += [
    "LOCALHOST",
    "server:8000",
    "app.localhost",
    "taxi.local",
    "a.svc.cluster.local",
    "db.internal",
    "",
    "x:",
]
KNOWN += ["taxi.example", "TAXI.example:443", "taxi.example.", "other.example"]
UNKNOWN = [
    "evil.example",
    "evil.example:8000",
    "taxi.example.evil.example",
    "127.0.0.1.evil.example",
    "x.taxi.example",
]
UNKNOWN += ["localhost.evil.example", "evil.local.example", "127.0.0.1@evil.example", "1.2.3.4.5", "a" * 300]
UNKNOWN += ["taxi.example:80:80", "taxi.example, evil.example", "[::1].evil.example", "xn--e.example"]


async def _unreachable(*_: object) -> None:
    raise AssertionError


@pytest.mark.parametrize("host", KNOWN)
def test_ip_addresses_private_names_and_the_names_of_the_settings_are_known(settings: Settings, host: str) -> None:
    ours = settings.model_copy(update={"public_url": "https://taxi.example", "allowed_hosts": ("other.example",)})
    assert Hosts(_unreachable, names=ours.host_names).knows(host.encode())


@pytest.mark.parametrize("host", UNKNOWN)
def test_a_name_that_somebody_else_can_register_is_unknown(settings: Settings, host: str) -> None:
    ours = settings.model_copy(update={"public_url": "https://taxi.example"})
    assert not Hosts(_unreachable, names=ours.host_names).knows(host.encode())
    assert Hosts(_unreachable, names={"*"}).knows(host.encode()) is (len(host) < 300)


async def test_a_request_for_an_unknown_name_is_421_for_every_path(live_server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=live_server.url, verify=False, timeout=PATIENCE_S) as http:
        for path in (
            "/graphql",
            "/graphql?query={__typename}",
            "/metrics",
            "/healthz",
            "/media/a.webp",
            "/nothing",
        ):
            refused = await http.get(path, headers={"Host": "evil.example"})
            assert refused.status_code == 421
            assert refused.json()["errors"][0]["extensions"] == {"code": "UNKNOWN_HOST"}
            assert refused.headers["X-Request-ID"]
        assert (await http.get("/healthz")).status_code == 200


async def test_a_socket_for_an_unknown_name_is_refused(live_server: LiveServer) -> None:
    port = live_server.url.rpartition(":")[2]
    with pytest.raises(InvalidStatus, match="403"):
        # Like a page of that name: it is its own origin.
        async with open_socket(
            f"http://evil.example:{port}", headers={"Origin": f"http://evil.example:{port}"}, host="127.0.0.1"
        ):
            pass
    async with open_socket(live_server.url, headers={"Origin": live_server.url}):
        pass
