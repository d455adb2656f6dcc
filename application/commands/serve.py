"""`serve`: the API on a port."""

import socket
from contextlib import nullcontext
from typing import Annotated

import structlog
import typer
import uvicorn

from application import workers
from application.application import open_photo_store
from application.asgi import GRAPHQL_PATH
from application.errors import StartError
from application.execution import build_execution
from application.paths import WEB
from application.process import read_settings, run, stop
from application.serving import uvicorn_options
from application.settings import PREFIX, Settings, pass_on
from application.tracing import check_tracing
from gateway.web_build import WebBuild
from services.database import migrations
from services.database.instance_lock import InstanceLock
from services.database.postgres import reason
from services.database.sqlite_file import check_file
from services.events.redis_link import RedisLink, UnusableRedis
from services.events.topics import Topics
from services.photos.store import StoreUnreachable
from services.runtime import logs

_log = structlog.stdlib.get_logger("taxirank")


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
) -> None:
    """Serve the API."""
    given = {"host": host, "port": port}
    pass_on(**{name: value for name, value in given.items() if value is not None})
    settings = read_settings()
    logs.configure(level=settings.log_level, format=settings.log_format)
    try:
        with workers.bound(settings.host, settings.port) as listeners:
            # Links in letters lead there, also if the system has chosen the port.
            pass_on(port=listeners[0].getsockname()[1])
            run(_check_start(settings))
            _serve(settings, listeners)
    except workers.CannotListen as error:
        stop(f"{PREFIX}{error.setting}: {error}")
    except workers.NoneStarted:
        stop("no worker process could start: the log says how each of them ended")


def _serve(settings: Settings, listeners: list[socket.socket]) -> None:
    options = uvicorn_options(settings, host=settings.host, port=settings.port)
    config = uvicorn.Config("application.serving:app_from_environment", factory=True, **options)

    def say_so() -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"http://{host}:{listeners[0].getsockname()[1]}"
        _log.info("serving", graphql=f"{url}{GRAPHQL_PATH}", **({"board": f"{url}/"} if settings.board else {}))

    has_pages = settings.board or settings.graphiql or settings.admin
    with WebBuild(WEB).made_meanwhile() if settings.build_pages and has_pages else nullcontext():
        workers.run(config, listeners, on_ready=say_so, drain_s=settings.drain_delay_s + settings.drain_s)


async def _check_start(settings: Settings) -> None:
    """Check all that could stop the start. On SQLite without Redis, also apply the migrations.

    Raises:
        StartError, AnotherServer, MigrationError
    """
    try:
        await open_photo_store(settings).check()
    except ValueError as error:
        raise StartError(f"{PREFIX}MEDIA_URL: {error}") from None
    except StoreUnreachable:
        # Trips work without the photo store. Each process logs the outage and tries again.
        pass
    build_execution(settings)
    check_tracing(settings)
    if settings.sqlite_path is not None:
        check_file(settings.sqlite_path)
    if settings.redis_url is not None:
        try:
            redis = RedisLink(settings.redis_url)
            await redis.check(Topics(settings.redis_prefix, is_cluster=redis.is_cluster).heartbeats())
        except UnusableRedis as error:
            raise StartError(f"{PREFIX}REDIS_URL: {error}") from None
    instance_lock = InstanceLock(settings)
    try:
        await instance_lock.acquire()
        try:
            await migrations.apply_or_check(settings)
        finally:
            await instance_lock.release()
    except OSError as error:
        raise StartError(f"{PREFIX}DATABASE_URL: the database cannot be reached ({reason(error)})") from None
