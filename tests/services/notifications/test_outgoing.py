"""The client for addresses that users and staff give: what it connects to, and what it makes of the answers."""

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.notifications.outgoing import (
    MAX_BODY_BYTES,
    MAX_LOOK_UPS,
    AddressRefused,
    Answer,
    NoAnswer,
    OutgoingClient,
    is_public,
)
from tests.support.waiting import PATIENCE_S, until

NAME = "receiver.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SHORT_S = 0.3
# To load the certificates of the system takes longer than a test.
SYSTEM_TRUST = ssl.create_default_context()


class Receiver:
    """A server on loopback that answers each request with ``answer``, and then repeats ``endless`` for ever."""

    def __init__(self) -> None:
        self.answer = OK
        self.endless = b""
        self.connections = 0
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.closed = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
                self.bodies.append(await reader.readexactly(length))
                writer.write(self.answer)
                await writer.drain()
                while self.endless:
                    writer.write(self.endless)
                    await writer.drain()
                    # To drain waits only while a buffer is full; the client runs in the same loop.
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed.set()
            writer.close()


@asynccontextmanager
async def listening(receiver: Receiver, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Receiver]:
    """The receiver on a free port of loopback."""
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with listening(Receiver()) as receiver:
        yield receiver


class Names:
    """A name server: each look-up gets the next of its answers, and then the last one again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@asynccontextmanager
async def client_of(names: Names, **options: Any) -> AsyncGenerator[OutgoingClient]:
    """A client that asks that name server."""
    client = OutgoingClient(resolve=names, **{"timeout_s": PATIENCE_S, "ssl_context": SYSTEM_TRUST, **options})
    try:
        yield client
    finally:
        await client.close()


async def post(receiver: Receiver, *, timeout_s: float = PATIENCE_S, names: Names | None = None) -> Answer:
    """Send a request to the receiver, whom the operator has allowed."""
    here = names or Names(["127.0.0.1"])
    async with client_of(here, private_hosts=[NAME], timeout_s=timeout_s) as client:
        return await client.post(f"http://{NAME}:{receiver.port}/hook?a=1", headers={"X-Id": "7"}, body=b"news")


@pytest.mark.attack("abuse")
@pytest.mark.parametrize(
    "url",
    [
        "http://push.example/",
        "ftp://push.example/",
        "file:///etc/passwd",
        "//push.example/",
        "https://",
        "https:///path",
        "https://push.example:22/",
        "https://push.example:80/",
        "https://push.example:99999/",
        "https://push.example:port/",
        "https://user:password@push.example/",
        "https://push.example@169.254.169.254/",
        "https://push.example#@169.254.169.254/",
        "https://push.example\\@169.254.169.254/",
        "https://push.example/\r\nHost: other",
        "https://push.example /",
        "https://püsh.example/",
        "https://push.example./",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://%31%32%37.0.0.1/",
        "https://push.example/" + "a" * 2048,
        "",
    ],
)
async def test_an_address_that_is_no_plain_https_address_is_refused_without_a_look_up(url: str) -> None:
    names = Names(["198.51.100.7"])
    async with client_of(names) as client:
        with pytest.raises(AddressRefused):
            client.check_form(url)
        with pytest.raises(AddressRefused):
            await client.check(url)
        with pytest.raises(AddressRefused):
            await client.post(url, headers={}, body=b"")
    assert names.asked == []


@pytest.mark.attack("abuse")
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
        "nonsense",
    ],
)
async def test_a_host_with_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)
    # One public address beside it changes nothing.
    async with client_of(Names(["8.8.8.8", address])) as client:
        with pytest.raises(AddressRefused):
            await client.check("https://push.example/")
        with pytest.raises(AddressRefused):
            await client.post("https://push.example/", headers={}, body=b"")


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808"])
async def test_a_host_with_public_addresses_is_accepted(address: str) -> None:
    async with client_of(Names([address])) as client:
        await client.check("https://push.example/")
        await client.check("https://push.example:8443/path?query=1")


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
async def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    client = OutgoingClient(ssl_context=SYSTEM_TRUST)
    with pytest.raises((AddressRefused, NoAnswer)):
        await client.check(f"https://{host}/")
    with pytest.raises((AddressRefused, NoAnswer)):
        await client.post(f"https://{host}:8443/", headers={}, body=b"")
    await client.close()


@pytest.mark.attack("abuse")
async def test_a_name_that_changes_to_a_private_address_after_the_check_is_refused() -> None:
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    async with client_of(names) as client:
        await client.check("https://push.example/")
        with pytest.raises(AddressRefused):
            await client.post("https://push.example/", headers={}, body=b"")


@pytest.mark.attack("abuse")
async def test_the_connection_goes_to_the_checked_address_and_the_name_is_looked_up_once(
    receiver: Receiver,
) -> None:
    # No other name server knows the name.
    names = Names(["127.0.0.1"], ["192.0.2.1"])
    answer = await post(receiver, names=names)
    assert (answer.status, answer.body, names.asked) == (200, b"ok", [NAME])
    assert receiver.bodies == [b"news"]
    assert receiver.heads[0].startswith(f"POST /hook?a=1 HTTP/1.1\r\nHost: {NAME}:{receiver.port}\r\n")
    assert "X-Id: 7\r\n" in receiver.heads[0]


async def test_an_address_that_does_not_answer_is_followed_by_the_next(receiver: Receiver) -> None:
    # Nothing listens there.
    assert (await post(receiver, names=Names(["127.0.0.2", "127.0.0.1"]))).is_success


async def test_a_connection_is_used_again(receiver: Receiver) -> None:
    async with client_of(Names(["127.0.0.1"]), private_hosts=[f"{NAME}:{receiver.port}"]) as client:
        for _ in range(3):
            assert (await client.post(f"http://{NAME}:{receiver.port}/", headers={}, body=b"")).is_success
    assert receiver.connections == 1


@pytest.mark.attack("abuse")
async def test_only_the_named_port_of_a_private_host_is_allowed(receiver: Receiver) -> None:
    async with client_of(Names(["127.0.0.1"]), private_hosts=[f"{NAME}:{receiver.port}"]) as client:
        with pytest.raises(AddressRefused):
            await client.post(f"https://{NAME}/", headers={}, body=b"")
        with pytest.raises(AddressRefused):
            await client.post(f"https://other.test:{receiver.port}/", headers={}, body=b"")
    assert receiver.connections == 0


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    place = f"http://{NAME}:{receiver.port}/inside"
    receiver.answer = f"HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
    answer = await post(receiver)
    assert (answer.status, answer.is_success, len(receiver.heads)) == (status, False, 1)


@pytest.mark.attack("abuse")
async def test_cookies_are_not_kept_and_proxies_of_the_environment_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(Receiver()) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        receiver.answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
        async with client_of(Names(["127.0.0.1"]), private_hosts=[NAME]) as client:
            for _ in range(2):
                await client.post(f"http://{NAME}:{receiver.port}/", headers={}, body=b"")
        assert proxy.connections == 0
    assert "cookie" not in receiver.heads[1].lower()


@pytest.mark.attack("abuse")
@pytest.mark.parametrize(
    ("answer", "endless"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (b"no HTTP at all\r\n\r\n", b""),
    ],
    ids=["silence", "half a head", "no body", "endless headers", "endless 102", "no HTTP"],
)
async def test_a_host_that_never_answers_properly_is_given_up_in_time(
    receiver: Receiver, answer: bytes, endless: bytes
) -> None:
    receiver.answer, receiver.endless = answer, endless
    started = asyncio.get_running_loop().time()
    with pytest.raises(NoAnswer):
        await post(receiver, timeout_s=SHORT_S)
    assert asyncio.get_running_loop().time() - started < PATIENCE_S


@pytest.mark.attack("abuse")
async def test_of_an_endless_answer_the_beginning_is_kept_and_the_connection_closed(receiver: Receiver) -> None:
    receiver.answer, receiver.endless = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nspam\r\n"
    answer = await post(receiver)
    assert (answer.status, len(answer.body)) == (500, MAX_BODY_BYTES)
    async with asyncio.timeout(PATIENCE_S):
        await receiver.closed.wait()


async def test_a_host_that_refuses_connections_or_has_no_address_gives_no_answer(receiver: Receiver) -> None:
    for names in (Names(["127.0.0.2"]), Names([])):
        with pytest.raises(NoAnswer):
            await post(receiver, names=names)


@pytest.mark.attack("abuse")
async def test_a_name_whose_look_up_hangs_takes_one_thread_and_delays_no_other_name(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, asked = threading.Event(), Counter[str]()

    def look_up(host: str, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked[host] += 1
        if host == "hangs.test":
            go_on.wait()
            raise OSError("no name server")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = OutgoingClient(timeout_s=PATIENCE_S, ssl_context=SYSTEM_TRUST, private_hosts=[NAME, "hangs.test"])
    hanging = [
        asyncio.create_task(client.post("http://hangs.test/", headers={}, body=b""))
        for _ in range(2 * MAX_LOOK_UPS)
    ]
    try:
        await until(lambda: asked["hangs.test"])
        assert (await client.post(f"http://{NAME}:{receiver.port}/", headers={}, body=b"")).is_success
        assert not any(task.done() for task in hanging)
        assert asked == {"hangs.test": 1, NAME: 1}
    finally:
        go_on.set()
    outcomes = await asyncio.gather(*hanging, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {NoAnswer}
    # Not remembered: the next one asks again.
    with pytest.raises(NoAnswer):
        await client.post("http://hangs.test/", headers={}, body=b"")
    assert asked["hangs.test"] == 2
    await client.close()


async def test_a_client_that_closes_waits_for_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, asked = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def look_up(*_: object, **__: object) -> list[object]:
        loop.call_soon_threadsafe(asked.set)
        go_on.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = OutgoingClient(timeout_s=PATIENCE_S, ssl_context=SYSTEM_TRUST)
    posting = asyncio.create_task(client.post("https://hangs.example/", headers={}, body=b""))
    await asked.wait()
    await client.close()
    with pytest.raises(asyncio.CancelledError):
        await posting
    go_on.set()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "look-up"]


@pytest.mark.parametrize(("text", "seconds"), [("120", 120), ("", None), ("soon", None), ("-5", None)])
def test_retry_after_is_read_in_seconds(text: str, seconds: int | None) -> None:
    assert Answer(429, {"retry-after": text}, b"").retry_after_s == seconds


@pytest.mark.attack("abuse")
async def test_tls_verifies_the_name_and_not_the_address(tmp_path: Path) -> None:
    cert_of, trusted = certificates(NAME, tmp_path / "key.pem")
    async with listening(Receiver(), cert_of) as receiver:
        both = [f"{NAME}:{receiver.port}", f"other.test:{receiver.port}"]
        async with client_of(Names(["127.0.0.1"]), private_hosts=both, ssl_context=trusted) as client:
            assert (await client.post(f"https://{NAME}:{receiver.port}/", headers={}, body=b"")).is_success
            with pytest.raises(NoAnswer, match=r"other\.test"):
                await client.post(f"https://other.test:{receiver.port}/", headers={}, body=b"")
        async with client_of(Names(["127.0.0.1"]), private_hosts=both) as client:
            with pytest.raises(NoAnswer, match="CERTIFICATE_VERIFY_FAILED"):
                await client.post(f"https://{NAME}:{receiver.port}/", headers={}, body=b"")


def certificates(name: str, file: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a new certificate for a name, and a client's context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())
