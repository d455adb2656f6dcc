"""Taxirank's composition root and command line: ``uv run server.py --help``."""

import sys

if __name__ == "__main__" and sys.stderr.isatty() and sys.argv[1:2] in ([], ["serve"], ["simulate"]):
    # Here, since all the imports take seconds where Python has not compiled them yet.
    sys.stderr.write("taxirank: starting …\n")

import asyncio
import functools
import gc
import signal
import socket
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import structlog
import typer
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin import pages as admin
from application import workers
from gateway.board import Console
from gateway.cors import Cors
from gateway.graphiql import GraphiQL
from gateway.health import health_routes
from gateway.hosts import Hosts
from gateway.uvicorn.http_protocol import (REFUSES_SOCKETS_OF, HttpProtocol)
from gateway.media import media_route
from gateway.metrics import Metrics
from gateway.middleware import BodyLimit, Incidents, RequestId
from gateway.security_headers import SecurityHeaders
from application.workers import end_with_parent
from gateway.web_build import BuildFailed, NoNode, WebBuild
from schema.api.context import Services
from schema.operations.execution import Execution
from schema.operations.limits import Limits
from schema.build import build_schema
from schema.transport.uvicorn_socket import (CONNECTION, Connection, SocketProtocol)
from schema.transport.credentials import Cookies
from schema.transport.http import HttpEndpoint
from schema.transport.offenders import Offenders
from schema.transport.origins import PREFLIGHT_HEADERS, Origins
from schema.transport.client_info import HttpSender
from schema.transport.socket_limit import SocketLimit
from schema.transport.sockets import SocketEndpoint, refuse_path
from schema.operations.trusted_documents import (BadManifest, read_manifest)
from application import demo
from services.runtime import logs
from services.database import migrations
from services.photos.account_photos import AccountPhotos
from services.accounts.accounts import Accounts
from services.limits.attempts import Attempts
from services.events.bus import Bus
from services.events.redis_link import (RedisLink, UnusableRedis)
from application.settings import (PREFIX, Settings, SettingsError, load_settings)
from services.runtime.counters import Counts
from services.database.connections import (Database, DatabaseUnavailable, WrongDatabase)
from services.accounts.deletion import Deletions
from services.runtime.tasks import end
from services.errors import UserFaults
from services.positions.freshness import Lifetime
from services.runtime.periodic_jobs import Housekeeping
from services.live.hub import LINGER_S, Hub
from services.live.live_sessions import LiveSessions
from services.live.reads import State
from services.positions.store import (LocationStore, MemoryLocations, RedisLocations)
from services.positions.reporting import Locations
from services.events.outbox import Outbox
from services.accounts.passwords import Passwords
from services.limits.per_user import PerUser
from services.photos.store import (LOOK_AGAIN_S, BadOptions, PhotoStore, StoreUnreachable)
from services.photos.photos import Photos
from services.database.postgres import reason
from services.accounts.profiles import Profiles
from services.limits.rates import (Rate, RateLimit)
from services.positions.routing import (Osrm, Router, StraightLine)
from services.accounts.sessions import Sessions
from services.runtime.shield import Shield
from application.shutdown import Shutdown
from services.database.instance_lock import (AnotherServer, SoleServer)
from services.database.sqlite_file import (UnusableFile, check_file)
from services.staff.staff import Staff
from services.limits.throttle import (ProcessThrottle, SharedThrottle, Throttle)
from services.events.channels import Topics
from services.trips.history import TripHistory
from services.trips.commands import Trips
from services.runtime.fair_queue import Turns

ROOT = Path(__file__).resolve().parent
WEB = ROOT / "web"
WEB_BUILD = WEB / "dist"
GRAPHQL_PATH = "/graphql"
# Of SHUTDOWN_TIMEOUT_S: what the requests under way have, then what the parts have. The rest is the process's own.
_SHARE_OF_REQUESTS = 0.6
_SHARE_OF_PARTS = 0.3

T = TypeVar("T")

_log = structlog.stdlib.get_logger("taxirank")


class StartError(Exception):
    """The server cannot start. Its text is one line that says what to do."""


class Application:
    """One server: its parts, how they start and stop, and the ASGI application that serves them.

    Several can live in one process; nothing is shared between them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # uvicorn's way to stop: finish what is under way, then end.
        self.on_database_lost: Callable[[], None] = functools.partial(signal.raise_signal, signal.SIGTERM)
        self.database = Database(settings)
        self.shield = Shield()
        topics = Topics(settings.redis_prefix)
        self.redis = RedisLink(settings.redis_url) if settings.redis_url is not None else None
        self.bus = Bus(self.redis, heartbeat_topic=topics.heartbeat(), on_gap=lambda: hub.resync())
        counts = Counts()
        self.outbox = Outbox(self.database, self.bus, topics)
        self.photo_store = open_photo_store(settings)
        self.photos = Photos(
            self.photo_store,
            max_bytes=settings.photo_max_bytes,
            max_pixels=settings.photo_max_pixels,
            concurrency=settings.photo_concurrency,
        )
        account_photos = AccountPhotos(self.database, self.photos, counts)
        sessions = Sessions(
            self.database,
            self.outbox,
            self.shield,
            ttl_s=settings.session_ttl_s,
            max_age_s=settings.session_max_age_s,
        )
        self.throttle: Throttle = (
            SharedThrottle(self.redis, topics) if self.redis is not None else ProcessThrottle()
        )
        passwords = Passwords(
            concurrency=settings.password_hash_concurrency, memory_kib=settings.password_hash_memory_kib
        )
        log_ins = Attempts("log-in", Rate.parse(settings.log_in_rate), self.throttle)
        accounts = Accounts(
            self.database,
            self.shield,
            passwords=passwords,
            photos=account_photos,
            sessions=sessions,
            photo_required=settings.photo_required,
            log_ins=log_ins,
            sign_ups=Attempts("sign-up", Rate.parse(settings.sign_up_rate), self.throttle),
        )
        trips = Trips(
            self.database,
            self.outbox,
            self.shield,
            sessions=sessions,
            request_ttl_s=settings.request_ttl_s,
            open_trips_per_rider=settings.open_trips_per_rider,
            changing=PerUser("trip", Rate.parse(settings.trip_rate), self.throttle),
        )
        self.staff = Staff(self.database, self.shield, accounts=accounts, sessions=sessions, trips=trips)
        self.location_store: LocationStore = (
            RedisLocations(self.redis, self.bus, topics) if self.redis is not None else MemoryLocations(self.bus)
        )
        locations = Locations(
            self.database,
            self.location_store,
            topics,
            sessions=sessions,
            lifetime=Lifetime(stale_s=settings.location_stale_s, ttl_s=settings.location_ttl_s),
            limit=RateLimit(Rate.parse(settings.location_rate)),
        )
        estimate = StraightLine(speed_kmh=settings.driving_speed_kmh)
        self.router: Router = (
            Osrm(settings.routing_url, timeout_s=settings.routing_timeout_s, fallback=estimate)
            if settings.routing_url is not None
            else estimate
        )
        hub = Hub(
            State(self.database, locations, counts),
            self.bus.listen,
            topics,
            counts,
            linger_s=LINGER_S,
            max_pools_per_user=settings.max_pools_per_user,
        )
        self.live_sessions = LiveSessions(sessions, topic=topics.sessions, listen=self.bus.listen)
        self.services = Services(
            accounts=accounts,
            profiles=Profiles(
                self.database,
                self.shield,
                sessions=sessions,
                photos=account_photos,
                photo_required=settings.photo_required,
            ),
            deletions=Deletions(
                self.database,
                self.shield,
                passwords=passwords,
                photos=account_photos,
                sessions=sessions,
                trips=trips,
                log_ins=log_ins,
            ),
            sessions=sessions,
            trips=trips,
            history=TripHistory(self.database),
            locations=locations,
            router=self.router,
            offer_radius_m=settings.offer_radius_m,
            subscribing=PerUser("subscribe", Rate.parse(settings.subscribe_rate), self.throttle),
            hub=hub,
            live_sessions=self.live_sessions,
            topics=topics,
        )
        self.metrics = Metrics(
            counts,
            gauges={
                "sockets": ("Open WebSockets.", lambda: len(self.sockets.sockets)),
                "subscribers": ("Running subscriptions.", lambda: hub.subscribers),
                "topics": ("Topics that this process listens to.", lambda: hub.topics),
                "live_sessions": ("Sessions with something open here.", lambda: self.live_sessions.count),
            },
            bus_state=lambda: self.bus.state,
            store_is_up=self.store_is_up,
            photos_are_up=lambda: self.photo_store.is_up,
            outbox_age_s=self.outbox.oldest_age_s,
        )
        self.housekeeping = Housekeeping(
            expire_trips=(1.0, trips.expire_overdue),
            remove_ended_sessions=(600.0, sessions.remove_ended),
            look_for_the_photos_again=(LOOK_AGAIN_S, self.photo_store.look_again),
            remove_left_over_photos=(600.0, account_photos.sweep),
        )
        self.asgi = self._asgi()

    def store_is_up(self) -> bool:
        """Whether all processes share positions and rates; one process alone always does."""
        return self.redis is None or self.redis.keeps

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Everything but the HTTP server, started in order and stopped in reverse.

        Raises: AnotherServer, at the start, or after the stop if that is why it had to stop.
        """
        sole_server = SoleServer(self.settings, on_lost=self.on_database_lost)
        async with Shutdown(self.settings.shutdown_timeout_s * _SHARE_OF_PARTS) as shutdown:
            await sole_server.acquire()
            shutdown.add("lock", sole_server.release)
            await self.database.connect()
            shutdown.add("database", self.database.disconnect)
            await sole_server.watch(self.database)
            await self.bus.connect()
            shutdown.add("bus", self.bus.disconnect)
            shutdown.add("routing", self.router.close)
            await self.outbox.start()
            shutdown.add("outbox", self.outbox.stop)
            shutdown.add("subscriptions", self.services.hub.stop)
            shutdown.add("changes", self.shield.drain)
            await self.live_sessions.start()
            shutdown.add("sessions", self.live_sessions.stop)
            await self.housekeeping.start()
            shutdown.add("housekeeping", self.housekeeping.stop)
            # Nobody waits for a bucket that does not answer: trips go on without it.
            looking = asyncio.create_task(self.photo_store.look())
            shutdown.add("photos", lambda: end([looking]))
            yield
        if sole_server.is_lost:
            raise AnotherServer

    def _cors(self) -> list[Middleware]:
        """What lets pages of the allowed origins read our answers; nothing when there are none."""
        if not self.settings.allowed_origins:
            return []
        headers = ("Authorization", "Content-Type", "X-Request-ID", *PREFLIGHT_HEADERS)
        return [Middleware(Cors, origins=self.settings.allowed_origins, headers=headers)]

    def _asgi(self) -> ASGIApp:
        settings = self.settings
        execution = build_execution(settings)
        origins = Origins(public_url=settings.public_url, allowed=settings.allowed_origins)
        cookies = Cookies(
            is_secure=settings.secure_cookies,
            samesite=settings.cookie_samesite,
            max_age_s=settings.session_max_age_s,
        )
        # Behind a proxy, which it takes to have a public address, everybody may seem to be here.
        knows_itself = settings.public_url is None
        limit = SocketLimit(a_user=settings.max_sockets_per_user)
        graphiql = GraphiQL(WEB_BUILD)
        # With trusted documents nothing that is typed there could run.
        has_graphiql = settings.graphiql and settings.trusted_documents is None
        http = HttpEndpoint(
            execution,
            self.services,
            origins=origins,
            cookies=cookies,
            limit=limit,
            max_json_bytes=settings.max_json_bytes,
            page=graphiql.page if has_graphiql else None,
            knows_itself=knows_itself,
        )
        self.sockets = SocketEndpoint(
            execution,
            self.services,
            origins=origins,
            cookies=cookies,
            limit=limit,
            offenders=Offenders(Rate.parse(settings.socket_offence_rate)),
            init_timeout_s=settings.connection_init_timeout_s,
            max_operations=settings.max_operations_per_socket,
        )

        def refuses_sockets_of(host: str) -> bool:
            return self.sockets.offenders.are_at(host)

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncGenerator[dict[str, Any]]:
            async with self.running():
                yield {REFUSES_SOCKETS_OF: refuses_sockets_of}
            _log.info("stopped")

        def told_in_one_line(send: Send) -> Send:
            async def tell(message: Message) -> None:
                is_failure = message["type"] in ("lifespan.startup.failed", "lifespan.shutdown.failed")
                if is_failure and (line := _one_line(sys.exception())):
                    # Starlette tells the traceback.
                    message = {**message, "message": line}
                await send(message)

            return tell

        starlette = Starlette(
            lifespan=lifespan,
            routes=[
                Route(GRAPHQL_PATH, http),
                media_route(self.photos, is_embeddable=bool(settings.allowed_origins)),
                *([self.metrics.route()] if settings.metrics else []),
                *health_routes(
                    ping_database=self.database.ping,
                    bus_state=lambda: self.bus.state,
                    store_is_up=self.store_is_up,
                    photos_are_up=lambda: self.photo_store.is_up,
                ),
                *([Console(WEB_BUILD).route()] if settings.console else []),
                *(graphiql.routes() if settings.console or settings.admin or has_graphiql else []),
            ],
            middleware=[
                Middleware(RequestId, observe=self.metrics.observe_request),
                Middleware(Incidents),
                Middleware(Hosts, names=settings.host_names),
                *self._cors(),
                Middleware(
                    BodyLimit,
                    max_bytes=settings.max_body_bytes,
                    max_bytes_together=settings.max_body_bytes_together,
                    timeout_s=settings.receive_timeout_s,
                ),
            ],
        )

        if settings.admin:
            admin.mount(
                starlette,
                database=self.database,
                staff=self.staff,
                history=self.services.history,
                cookie=cookies,
                address_of=lambda request: (
                    HttpSender(request.scope, request.headers, cookies, knows_itself=knows_itself).address
                ),
                # Unlike the API, it does not answer to pages of the allowed origins.
                is_own_page=Origins(public_url=settings.public_url, allowed=()).allows_socket,
                icon_url=graphiql.icon_url,
                public_url=settings.public_url,
            )
        starlette.router.redirect_slashes = False
        self.metrics.know_paths(route.path for route in starlette.routes if isinstance(route, Route | Mount))
        secured = SecurityHeaders(starlette, is_https=settings.secure_cookies)
        sockets = Hosts(self.sockets, names=settings.host_names)

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            # Sockets go past the middleware of HTTP: each layer around `send` costs time on every delivery.
            if scope["type"] == "websocket":
                await (sockets if scope["path"] == GRAPHQL_PATH else refuse_path)(scope, receive, send)
            elif scope["type"] == "lifespan":
                await starlette(scope, receive, told_in_one_line(send))
            else:
                scope["extensions"] = {**scope.get("extensions", {}), CONNECTION: Connection(send)}
                await secured(scope, receive, send)

        return asgi


def limits_of(settings: Settings) -> Limits:
    """How much one operation may ask for."""
    return Limits(
        chars=settings.max_document_chars,
        tokens=settings.max_tokens,
        depth=settings.max_depth,
        aliases=settings.max_aliases,
        directives=settings.max_directives,
        list_items=settings.max_list_items,
        root_fields=settings.max_root_fields,
        cost=settings.max_cost,
    )


def build_execution(settings: Settings) -> Execution:
    """What executes the operations of a server.

    Raises:
        StartError: the trusted documents cannot be used.
    """
    try:
        return Execution(
            build_schema(),
            introspection=settings.introspection,
            suggestions=settings.suggestions,
            limits=limits_of(settings),
            persisted_queries=settings.persisted_queries,
            trusted=read_manifest(settings.trusted_documents) if settings.trusted_documents is not None else None,
            timeout_s=settings.operation_timeout_s,
            shares=settings.shared_execution,
        )
    except BadManifest as error:
        raise StartError(f"{PREFIX}TRUSTED_DOCUMENTS: {error}") from None


def open_photo_store(settings: Settings) -> PhotoStore:
    """Where the photos of a server lie. Raises: StartError."""
    try:
        return PhotoStore.from_url(settings.media_url, settings.media_options)
    except BadOptions as error:
        # They may be in the query of the address as well.
        name = "MEDIA_OPTIONS" if settings.media_options else "MEDIA_URL"
        raise StartError(f"{PREFIX}{name}: {error}") from None
    except ValueError as error:
        raise StartError(f"{PREFIX}MEDIA_URL: {error}") from None


def create_app(settings: Settings) -> ASGIApp:
    """The ASGI application of one server; its lifespan starts and stops everything."""
    return Application(settings).asgi


def app_from_environment() -> ASGIApp:
    """What a server process runs: the application of the settings, with the garbage collector tuned.

    What start-up made never goes away, so it is frozen, and young objects are looked at less often than Python
    would: that was much of the fan-out's CPU. The old ones are looked at often enough that what clients leave
    behind, who come and go, stays bounded.
    """
    end_with_parent()
    settings = _settings()
    logs.configure(level=settings.log_level, format=settings.log_format)
    try:
        app = create_app(settings)
    except StartError as error:
        _stop(str(error))
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 5)
    return app


def uvicorn_options(settings: Settings, *, host: str, port: int) -> dict[str, Any]:
    """How uvicorn serves the application."""
    return {
        "host": host,
        "port": port,
        "workers": settings.workers,
        "loop": "uvloop",
        "ws": functools.partial(
            SocketProtocol, message_rate=Rate.parse(settings.socket_message_rate), pieces=Turns()
        ),
        "http": functools.partial(HttpProtocol, timeout_s=settings.receive_timeout_s, handshakes=Turns()),
        # Compression costs 16 µs a delivery and 40 KB a socket.
        "ws_per_message_deflate": False,
        "ws_max_size": settings.max_message_bytes,
        "ws_ping_interval": settings.ping_interval_s,
        "ws_ping_timeout": settings.pong_timeout_s,
        "timeout_keep_alive": settings.keep_alive_s,
        "timeout_graceful_shutdown": settings.shutdown_timeout_s * _SHARE_OF_REQUESTS,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "forwarded_allow_ips": settings.trusted_proxies,
    }


cli = typer.Typer(
    help="A GraphQL dispatch server for ride-hailing. Without a command it serves.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """A GraphQL dispatch server for ride-hailing. Without a command it serves."""
    if context.invoked_subcommand is None:
        serve()


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
) -> None:
    """Serve the API."""
    settings = _settings(**{name: value for name, value in (("host", host), ("port", port)) if value is not None})
    logs.configure(level=settings.log_level, format=settings.log_format)
    try:
        with workers.bound(settings.host, settings.port) as listeners:
            _run(_check_start(settings))
            _serve(settings, listeners)
    except workers.CannotListen as error:
        _stop(f"{PREFIX}{error.setting}: {error}")
    except workers.NoneStarted:
        _stop("no worker process could start: the log says how each of them ended")


def _serve(settings: Settings, listeners: list[socket.socket]) -> None:
    options = uvicorn_options(settings, host=settings.host, port=settings.port)
    config = uvicorn.Config("server:app_from_environment", factory=True, **options)

    def say_so() -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"http://{host}:{listeners[0].getsockname()[1]}"
        _log.info("serving", graphql=f"{url}{GRAPHQL_PATH}", **({"board": f"{url}/"} if settings.console else {}))

    has_pages = settings.console or settings.graphiql or settings.admin
    with WebBuild(WEB).made_meanwhile() if settings.build_pages and has_pages else nullcontext():
        workers.run(config, listeners, on_ready=say_so)


async def _check_start(settings: Settings) -> None:
    """Find what would stop the start, and apply the migrations of the embedded default.

    Raises:
        StartError, AnotherServer, MigrationError
    """
    try:
        await open_photo_store(settings).check()
    except ValueError as error:
        raise StartError(f"{PREFIX}MEDIA_URL: {error}") from None
    except StoreUnreachable:
        # Trips go on without it. Each process tells by itself, and looks again.
        pass
    build_execution(settings)
    if settings.sqlite_path is not None:
        check_file(settings.sqlite_path)
    if settings.redis_url is not None:
        try:
            await RedisLink(settings.redis_url).check(Topics(settings.redis_prefix).heartbeat())
        except UnusableRedis as error:
            raise StartError(f"{PREFIX}REDIS_URL: {error}") from None
    sole_server = SoleServer(settings)
    try:
        await sole_server.acquire()
        try:
            if settings.sqlite_path is not None:
                await migrations.apply(settings)
            else:
                await migrations.check(settings)
        finally:
            await sole_server.release()
    except OSError as error:
        raise StartError(f"{PREFIX}DATABASE_URL: the database cannot be reached ({reason(error)})") from None


@cli.command()
def build_pages() -> None:
    """Build the live board and GraphiQL, as `serve` does at its start; needs Node."""
    logs.configure(level="info", format="console")
    try:
        WebBuild(WEB).make()
    except NoNode:
        _stop("there is no Node: `uv run --group pages server.py build-pages` brings one")
    except BuildFailed as error:
        _stop(f"the pages could not be built:\n{error}")


@cli.command()
def migrate() -> None:
    """Bring the database to the newest shape."""
    for name in _run(migrations.apply(_settings())):
        typer.echo(name)


@cli.command()
def makemigrations(
    name: Annotated[str, typer.Option(help="A word for what changes.")] = "update",
    dialect: Annotated[str | None, typer.Option(help="postgres or sqlite; both without.")] = None,
) -> None:
    """Write the migrations of what changed in the models, for PostgreSQL and for SQLite."""
    if dialect is None:
        # aerich keeps its state on a class: one dialect a process.
        for each in migrations.DIALECTS:
            subprocess.run(  # noqa: S603 - nothing in it comes from outside
                [sys.executable, __file__, "makemigrations", "--name", name, "--dialect", each], check=True
            )
        return
    written = _run(migrations.generate(dialect, name))
    typer.echo(f"{dialect}: {written or 'nothing has changed'}")


@cli.command()
def export_schema(
    path: Annotated[Path | None, typer.Argument(help="The file to write; none: print it.")] = None,
) -> None:
    """Write the schema in GraphQL's schema language."""
    text = build_schema().as_str() + "\n"
    if path is None:
        typer.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")


@cli.command()
def create_staff(
    username: Annotated[str, typer.Argument(help="The name to log in with.")],
) -> None:
    """Create a member of staff. The password is asked for, or the first line of standard input."""
    # Never an argument: those are shown in lists of processes, and kept by shells.
    password: str = (
        typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        if sys.stdin.isatty()
        else sys.stdin.readline().rstrip("\n")
    )

    async def create(application: Application) -> None:
        user = await application.services.accounts.create_staff(username=username, password=password)
        typer.echo(f"created {user.username}")

    _run(_with_application(create))


@cli.command()
def seed_demo() -> None:
    """Fill the database with a few riders, drivers and trips to look at."""
    if _settings().public_url is not None:
        _stop(f"{PREFIX}PUBLIC_URL is set, and everybody knows the password of the demo's people: not made there")

    async def seed(application: Application) -> None:
        for line in await demo.seed(application.services.accounts, application.services.trips):
            typer.echo(line)

    _run(_with_application(seed))


@cli.command()
def simulate(
    url: Annotated[str | None, typer.Argument(help="The server; none: the one of the settings.")] = None,
    riders: Annotated[int, typer.Option(help="How many riders.")] = 20,
    drivers: Annotated[int, typer.Option(help="How many drivers.")] = 50,
    seconds: Annotated[float, typer.Option(help="How long they drive, after everybody has signed up.")] = 60.0,
    center: Annotated[str, typer.Option(help="The middle of the city: latitude,longitude.")] = "52.3702,4.8952",
    radius_m: Annotated[float, typer.Option(help="The radius of the city.")] = 5000.0,
    requests_per_minute: Annotated[float, typer.Option(help="Trips requested, by all riders together.")] = 30.0,
    report_every_s: Annotated[float, typer.Option(help="How often a driver reports a position.")] = 4.0,
    speed_up: Annotated[float, typer.Option(help="Time lapse: cars and people are so many times faster.")] = 10.0,
    seed: Annotated[int | None, typer.Option(help="The same seed: the same city and people.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the summary to this file, too.")] = None,
) -> None:
    """Let riders and drivers use a running server, as its clients do: for demonstrations, load and tests."""
    # Only here: a server needs none of it.
    from simulation.city import City
    from simulation.command import simulate as run
    from simulation.options import (CannotSimulate, Options, point, server_url)

    try:
        options = Options(
            server_url(url if url is not None else _own_url()),
            riders=riders,
            drivers=drivers,
            seconds=seconds,
            city=City(point(center), radius_m),
            requests_per_minute=requests_per_minute,
            report_every_s=report_every_s,
            speed_up=speed_up,
            seed=seed,
        )
        raise SystemExit(run(options, json_path=json))
    except CannotSimulate as error:
        _stop(str(error))


def _own_url() -> str:
    """Where a server of these settings is reached from its own machine."""
    settings = _settings()
    host = "localhost" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - not listened on
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


@cli.command("settings")
def show_settings() -> None:
    """List every setting with its default."""
    for name, field in Settings.model_fields.items():
        typer.echo(
            f"{PREFIX}{name.upper()}={field.get_default(call_default_factory=True)}\n    {field.description}"
        )


async def _with_application(work: Callable[[Application], Awaitable[None]]) -> None:
    """Run a command's work with the use cases, beside a server or without one."""
    settings = _settings()
    logs.configure(level="warning", format=settings.log_format)
    if settings.sqlite_path is not None:
        await migrations.apply(settings)
    else:
        await migrations.check(settings)
    application = Application(settings)
    await application.database.connect()
    try:
        # Not published from here: a running server sweeps the outbox and announces it.
        await work(application)
        await application.shield.drain()
    finally:
        await application.database.disconnect()


def _settings(**given: object) -> Settings:
    try:
        return load_settings(**given)
    except SettingsError as error:
        _stop(str(error))


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except Exception as error:
        line = _one_line(error)
        if line is None:
            raise
        _stop(line)


def _one_line(error: BaseException | None) -> str | None:
    """What to tell the operator of an error that says enough without its traceback; None of any other."""
    match error:
        case UserFaults() | StartError() | AnotherServer() | WrongDatabase() | migrations.MigrationError():
            return str(error)
        case UnusableFile():
            return f"{PREFIX}DATABASE_URL: {error}"
        case DatabaseUnavailable() | OSError():
            return f"{PREFIX}DATABASE_URL: the database cannot be reached ({reason(error)})"
        case _:
            return None


def _stop(message: str) -> NoReturn:
    typer.echo(f"taxirank: {message}", err=True)
    raise SystemExit(1)


if __name__ == "__main__":
    cli()
