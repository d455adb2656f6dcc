"""The HTTP client for addresses that users and staff have given: it reaches public hosts only.

Longer than 300 lines because all that decides what may be reached is here.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httpcore

from services.runtime.tasks import cancel_and_wait

TIMEOUT_S = 10.0
# One of several addresses of a host; then the next is tried.
CONNECT_TIMEOUT_S = 4.0
MAX_TRIED_ADDRESSES = 3
# What is kept of the body of an answer. The rest is not read, and the connection is closed.
MAX_BODY_BYTES = 4096
MAX_URL_CHARS = 2048
# Those of https. With others, whoever gives an address could scan the ports of strangers from this server.
PORTS = frozenset({443, 8443})
# At once, in each client: more than names that one of its users knows, so that none waits for those that hang.
MAX_LOOK_UPS = 64
MAX_IDLE_CONNECTIONS = 20
IDLE_S = 30.0

# All IPv6 addresses in public use, and those of them that are no hosts, or lead to IPv4 addresses (Teredo, 6to4).
# Source: https://www.iana.org/assignments/iana-ipv6-special-registry
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
# In networks without IPv4, an IPv4 host has such an address, whose last four bytes are its own (NAT64, RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Relays of 6to4; and where machines of Azure reach their platform, which ``is_global`` takes for public.
_NOT_PUBLIC_V4 = tuple(map(ipaddress.IPv4Network, ("192.88.99.0/24", "168.63.129.16/32")))

# Visible ASCII, without the backslash, which some parsers take for a slash, and without a fragment.
_URL = re.compile(r"https?://[!\"$-\[\]-~]+", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)

# Finds the addresses of a host name. Raises: OSError.
Resolve = Callable[[str], Awaitable[Sequence[str]]]
_LookedUp = Sequence[str] | OSError


class AddressRefused(Exception):
    """Nothing is sent to that address: it is no https address, or its host is not a public one."""


class NoAnswer(Exception):
    """The host did not answer in time, or not as HTTP says. It may have received the request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` have names in lower case; of the body, ``body`` is the beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the host accepted the request. A redirect is no success."""
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> int | None:
        """The seconds of ``Retry-After``; None if there is none, or it is a date."""
        text = self.headers.get("retry-after", "")
        return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


class OutgoingClient:
    """Sends requests to hosts on the Internet, and to no host of the server's own network.

    - A name is looked up once for each connection, and all of its addresses must be public. The connection goes to
      a checked address itself: a name that changes afterwards changes nothing. TLS verifies the name.
    - Redirects are not followed, there are no cookies, and proxies of the environment are ignored.
    - A request takes ``timeout_s`` at most, from the look-up to the end of the answer. The answer is bounded.

    It does not limit the requests under way: its users do.
    """

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        private_hosts: Collection[str] = (),
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """``private_hosts``: each ``host`` or ``host:port``, which may have any address and port, with https or
        http. They are hosts of the operator's own network, and only an operator may name them.
        """
        self._timeout_s = timeout_s
        self._look_ups = _LookUps()
        self._backend = _CheckedConnections(resolve or self._look_ups.addresses_of, private_hosts)
        self._ssl_context = ssl_context
        self._pool: httpcore.AsyncConnectionPool | None = None

    def check_form(self, url: str) -> None:
        """Check an address without a look-up.

        Raises:
            AddressRefused: nothing can ever be sent to it.
        """
        self._parse(url)

    async def check(self, url: str) -> None:
        """Check an address, and those of its host as they are now. It is checked again before each connection.

        Raises:
            AddressRefused
            NoAnswer: the name of its host has no address, or was not found in time.
        """
        parsed = self._parse(url)
        async with self._time_limit():
            await self._backend.checked_addresses(parsed.host.decode(), parsed.port or 0)

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a POST request.

        Raises:
            AddressRefused: nothing was sent.
            NoAnswer
        """
        parsed = self._parse(url)
        sent = [("Host", parsed.host if parsed.port is None else b"%s:%d" % (parsed.host, parsed.port))]
        async with (
            self._time_limit(),
            (await self._opened_pool()).stream(
                "POST",
                parsed,
                headers=[
                    *sent,
                    ("Content-Length", str(len(body))),
                    ("Connection", "keep-alive"),
                    *headers.items(),
                ],
                content=body,
            ) as response,
        ):
            kept = b""
            async for piece in response.aiter_stream():
                kept += piece[: MAX_BODY_BYTES - len(kept)]
                if len(kept) == MAX_BODY_BYTES:
                    break
        received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Answer(response.status, received, kept)

    async def close(self) -> None:
        """Close the connections."""
        await self._look_ups.close()
        if self._pool is not None:
            await self._pool.aclose()

    async def _opened_pool(self) -> httpcore.AsyncConnectionPool:
        if self._pool is None:
            # To load the certificates of the system takes 0.1 s, and most servers never need them.
            context = self._ssl_context or await asyncio.to_thread(ssl.create_default_context)
            self._pool = self._pool or httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=None,
                max_keepalive_connections=MAX_IDLE_CONNECTIONS,
                keepalive_expiry=IDLE_S,
                network_backend=self._backend,
            )
        return self._pool

    def _parse(self, url: str) -> httpcore.URL:
        """The parts of an address. No other parser reads it: the connection goes to the host found here."""
        if len(url) > MAX_URL_CHARS or not _URL.fullmatch(url):
            raise AddressRefused("this is not an https address")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise AddressRefused("this is not an https address") from None
        if "@" in parts.netloc or not _HOST.fullmatch(host):
            raise AddressRefused("the address must have the name of a host, and no user")
        if not self._backend.is_private(host, port or (443 if parts.scheme == "https" else 80)):
            if parts.scheme != "https":
                raise AddressRefused("the address must begin with https://")
            if port is not None and port not in PORTS:
                raise AddressRefused("the port must be 443 or 8443")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return httpcore.URL(scheme=parts.scheme, host=host, port=port, target=target)

    @asynccontextmanager
    async def _time_limit(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError:
            raise NoAnswer("no answer in time") from None
        except _FAILURES as error:
            raise NoAnswer(str(error) or type(error).__name__) from None


class _CheckedConnections(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only. TLS is above it, and knows only the name."""

    def __init__(self, resolve: Resolve, private_hosts: Collection[str]) -> None:
        self._resolve = resolve
        self._private_hosts = frozenset(host.lower() for host in private_hosts)
        self._tcp = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    def is_private(self, host: str, port: int) -> bool:
        """Whether the operator has allowed the host, whatever its address is."""
        return host in self._private_hosts or f"{host}:{port}" in self._private_hosts

    async def checked_addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host. Raises: AddressRefused, httpcore.ConnectError."""
        try:
            addresses = await self._resolve(host)
        except OSError:
            addresses = ()
        if not addresses:
            raise httpcore.ConnectError("the name of the host has no address")
        # All of them: with one private address among public ones, a retry would find it.
        if not self.is_private(host, port) and not all(map(is_public, addresses)):
            raise AddressRefused("the host is not a public one")
        return addresses

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that accepts. Part of httpcore's AsyncNetworkBackend."""
        failure: Exception = httpcore.ConnectError("no connection")
        for address in (await self.checked_addresses(host, port))[:MAX_TRIED_ADDRESSES]:
            try:
                return await self._tcp.connect_tcp(address, port, CONNECT_TIMEOUT_S, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Part of httpcore's AsyncNetworkBackend."""
        await asyncio.sleep(seconds)


class _LookUps:
    """Looks up names in threads of their own: a slow name server delays no other work, and no exit of the process.

    asyncio's threads are shared with everything, and waited for at the exit. Whoever asks for a name that is being
    looked up waits for the same answer: a name that hangs takes one thread.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MAX_LOOK_UPS)
        self._under_way: dict[str, asyncio.Task[_LookedUp]] = {}

    async def addresses_of(self, host: str) -> Sequence[str]:
        """The addresses of a name. Raises: OSError."""
        looking = self._under_way.get(host)
        if looking is None:
            looking = self._under_way[host] = asyncio.create_task(self._look_up(host), name="look-up")
            looking.add_done_callback(lambda _: self._under_way.pop(host))
        result = await asyncio.shield(looking)
        if isinstance(result, OSError):
            raise result
        return result

    async def close(self) -> None:
        """Wait for no answer any more. The threads end by themselves."""
        await cancel_and_wait(self._under_way.values())

    async def _look_up(self, host: str) -> _LookedUp:
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[_LookedUp] = loop.create_future()

        def end(result: _LookedUp) -> None:
            self._free.release()
            if not found.done():
                found.set_result(result)

        def look_up() -> None:
            try:
                entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                result: _LookedUp = [str(entry[4][0]) for entry in entries]
            except OSError as error:
                result = error
            except UnicodeError:
                # A label of the name is longer than 63 characters.
                result = OSError("not a name")
            with suppress(RuntimeError):  # The loop has ended.
                loop.call_soon_threadsafe(end, result)

        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        return await found


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet, where requests of strangers may go."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            ip = ipaddress.IPv4Address(ip.packed[-4:])
        else:
            return ip in _PUBLIC_V6 and not any(ip in network for network in _NOT_PUBLIC_V6)
    return (
        ip.is_global
        and not (ip.is_multicast or ip.is_reserved)
        and not any(ip in network for network in _NOT_PUBLIC_V4)
    )
