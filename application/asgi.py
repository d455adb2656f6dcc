"""The routes and the middleware of an application.

Longer than 300 lines because it names every part that a route or a layer is given.
"""

import functools
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin import pages as admin
from application.application import Application
from application.errors import one_line
from application.execution import build_execution
from application.lifespan import running
from application.paths import WEB_BUILD
from application.settings import Settings
from gateway.board import Board
from gateway.body_limit import BodyLimit
from gateway.city import CityPage
from gateway.cors import Cors
from gateway.draining import DRAINING, Draining
from gateway.graphiql import GraphiQL
from gateway.health import health_routes
from gateway.hosts import Hosts
from gateway.map_sources import MapSources
from gateway.media import media_route
from gateway.metrics import Metrics
from gateway.path_folders import folders_of
from gateway.recovery_pages import recovery_routes
from gateway.request_log import Incidents, RequestId
from gateway.security_headers import SecurityHeaders
from gateway.service_worker import service_worker_route
from gateway.traced_requests import TracedRequests
from gateway.trip_map import TripMap
from gateway.uvicorn.admitting_protocol import ALLOWED_ORIGINS
from gateway.uvicorn.connection import Connection
from gateway.uvicorn.http_protocol import REFUSES_SOCKETS_OF
from models.trip_life import DRIVING, OPEN
from schema.api.user import PHOTO_FOLDER
from schema.operations.execution import Execution
from schema.transport.client_info import HttpClientInfo
from schema.transport.connection import set_connection
from schema.transport.credentials import Cookies
from schema.transport.http import HttpEndpoint
from schema.transport.offenders import Offenders
from schema.transport.origins import PREFLIGHT_HEADERS, Origins
from schema.transport.socket_limit import SocketLimit
from schema.transport.sockets import SocketEndpoint, refuse_path
from services.limits.rates import Rate
from services.runtime.admission import ADMISSION
from services.trips.rows import count_trips

GRAPHQL_PATH = "/graphql"

_log = structlog.stdlib.get_logger("taxirank")


class Asgi:
    """The ASGI application: GraphQL, the pages, the admin and health. Its lifespan starts and stops the parts."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._settings = settings = application.settings
        self._origins = Origins(public_url=settings.public_url, allowed=settings.allowed_origins)
        # Unlike the API, the admin and what is for staff do not answer pages of the allowed origins.
        self._own_pages = Origins(public_url=settings.public_url, allowed=())
        self._cookies = Cookies(
            is_secure=settings.secure_cookies,
            samesite=settings.cookie_samesite,
            max_age_s=settings.session_max_age_s,
        )
        # A public address implies a proxy, and behind a proxy every client may seem to be on this machine.
        self._trusts_loopback = settings.public_url is None
        self._maps = MapSources(settings.map_style_url, settings.map_origins)
        self._graphiql = GraphiQL(WEB_BUILD, maps=self._maps)
        # With trusted documents, no query typed into GraphiQL could run.
        self._has_graphiql = settings.graphiql and settings.trusted_documents is None
        self._draining = Draining(settings.drain_delay_s, settings.drain_s)
        execution = build_execution(settings, application.tracing, application.counters)
        limit = SocketLimit(a_user=settings.max_sockets_per_user)
        self.sockets = self._socket_endpoint(execution, limit)
        self.metrics = self._build_metrics()
        # Without this layer, Starlette would answer a failed route with a plain 500 and no incident id.
        starlette = Starlette(lifespan=self._lifespan, routes=self._routes(), middleware=[Middleware(Incidents)])
        if settings.admin:
            self._mount_admin(starlette)
        starlette.router.redirect_slashes = False
        paths = [route.path for route in starlette.routes if isinstance(route, Route | Mount)]
        self._folders = folders_of([GRAPHQL_PATH, *paths])
        self.metrics.know_folders(self._folders)
        self._starlette = starlette
        self._graphql = self._http_endpoint(execution, limit)
        http: ASGIApp = self._route
        for layer, args, options in reversed(self._middleware()):
            http = layer(http, *args, **options)
        self._http = http
        self._secured_sockets = Hosts(self.sockets, names=settings.host_names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one socket, or the lifespan."""
        # Sockets bypass the HTTP middleware: each layer around `send` costs time on every delivery.
        if scope["type"] == "websocket":
            await (self._secured_sockets if scope["path"] == GRAPHQL_PATH else refuse_path)(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._starlette(scope, receive, _with_one_line_failures(send))
        else:
            set_connection(scope, Connection(send))
            await self._http(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        # API requests bypass Starlette's router and error handlers: that saves 30 µs a request.
        await (self._graphql if scope["path"] == GRAPHQL_PATH else self._starlette)(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[dict[str, Any]]:
        async with running(self._application):
            yield {
                REFUSES_SOCKETS_OF: self._refuses_sockets_of,
                DRAINING: self._draining,
                ADMISSION: self._application.admission,
                ALLOWED_ORIGINS: self._settings.allowed_origins,
            }
        _log.info("stopped")

    def _refuses_sockets_of(self, host: str) -> bool:
        return self.sockets.offenders.is_barred(host)

    def _http_endpoint(self, execution: Execution, limit: SocketLimit) -> HttpEndpoint:
        return HttpEndpoint(
            execution,
            self._application.services,
            origins=self._origins,
            cookies=self._cookies,
            limit=limit,
            max_json_bytes=self._settings.max_json_bytes,
            page=self._graphiql.page if self._has_graphiql else None,
            trusts_loopback=self._trusts_loopback,
            own_pages=self._own_pages,
        )

    def _socket_endpoint(self, execution: Execution, limit: SocketLimit) -> SocketEndpoint:
        settings = self._settings
        return SocketEndpoint(
            execution,
            self._application.services,
            origins=self._origins,
            own_pages=self._own_pages,
            cookies=self._cookies,
            limit=limit,
            offenders=Offenders(Rate.parse(settings.socket_offence_rate)),
            init_timeout_s=settings.connection_init_timeout_s,
            max_operations=settings.max_operations_per_socket,
            admission=self._application.admission,
            connection_of=Connection,
        )

    def _build_metrics(self) -> Metrics:
        application = self._application
        return Metrics(
            application.counters,
            gauges={
                "sockets": ("Open WebSockets.", lambda: len(self.sockets.sockets)),
                "subscribers": ("Running subscriptions.", lambda: application.services.hub.subscribers),
                "topics": ("Topics that this process listens to.", lambda: application.services.hub.topics),
                "waiting_messages": ("Bus messages not delivered yet.", lambda: application.services.hub.waiting),
                "requests_running": (
                    "Requests and operations under way.",
                    lambda: application.admission.running,
                ),
                "requests_waiting": (
                    "Requests, operations and new sockets that wait to begin.",
                    lambda: application.admission.waiting,
                ),
                "requests_ceiling": (
                    "How many requests and operations may be under way now.",
                    lambda: application.admission.ceiling,
                ),
                "overloaded": (
                    "1 while requests are refused because of overload.",
                    lambda: application.admission.is_overloaded,
                ),
                "live_sessions": ("Sessions with something open here.", lambda: application.live_sessions.count),
                "former_primaries": (
                    "Hosts of the database that accept writes although another has taken their place.",
                    lambda: application.database.former_primaries,
                ),
                "replicas_fresh": (
                    "Replicas of the database that are read at the moment.",
                    lambda: application.replicas.fresh,
                ),
            },
            durations={
                "request_wait_seconds": (
                    "How long requests waited to begin; those that did not wait are not counted.",
                    application.admission.waits,
                ),
                "gc_pause_seconds": ("How long the garbage collector took.", application.memory.pauses),
                "loop_lag_seconds": (
                    "How late the event loop was.",
                    application.loop_lag.durations,
                ),
                "bus_lag_seconds": (
                    "How long a message of this process to itself took through the broker.",
                    application.counters.bus_lag,
                ),
                "delivery_seconds": (
                    "How long a change took on a topic to all of its subscribers here.",
                    application.counters.delivery,
                ),
                "time_to_accept_seconds": (
                    "From requests to their first acceptances, of those that drivers accepted here.",
                    application.counters.time_to_accept,
                ),
            },
            is_busy=lambda: application.admission.is_full,
            bus_state=lambda: application.bus.state,
            store_is_up=application.store_is_up,
            photos_are_up=lambda: application.photo_store.is_up,
            routing_is_up=lambda: application.router.is_up,
            mail_is_up=lambda: application.mailer.is_up,
            stored={
                "outbox_age_seconds": (
                    "Age of the oldest change not yet published; 0 when there is none.",
                    application.outbox.sweep.oldest_age_s,
                ),
                "open_trips": (
                    "Trips that wait for a driver; 10000 also stands for more.",
                    functools.partial(count_trips, application.database, OPEN),
                ),
                "trips_under_way": (
                    "Trips under way; 10000 also stands for more.",
                    functools.partial(count_trips, application.database, DRIVING),
                ),
                "drivers_available": (
                    "Drivers without a trip whose position is known; 10000 also stands for more.",
                    application.position_store.count_free,
                ),
                "letters_waiting": ("E-mails that wait to be sent.", application.letters.waiting),
                "letters_age_seconds": (
                    "Age of the oldest e-mail that waits to be sent; 0 when there is none.",
                    application.letters.oldest_age_s,
                ),
                "webhooks_waiting": (
                    "Webhooks that wait to be sent, except those to disabled endpoints.",
                    application.webhook_deliveries.waiting,
                ),
                "webhooks_age_seconds": (
                    "Age of the oldest webhook that waits to be sent; 0 when there is none.",
                    application.webhook_deliveries.oldest_age_s,
                ),
                "webhook_endpoints_failing": (
                    "Endpoints that have accepted no webhook for a quarter of an hour, only failed.",
                    application.webhook_endpoints.failing,
                ),
                "pushes_waiting": ("Push messages that wait to be sent.", application.push_rows.waiting),
                "push_subscriptions": ("Devices that get push messages.", application.push_rows.subscriptions),
                "unreferenced_photos": (
                    "Photos that may be stored without an account: on their way to one, or left over.",
                    application.account_photos.unreferenced,
                ),
            },
        )

    def _routes(self) -> list[BaseRoute]:
        """All paths but the API's."""
        application, settings = self._application, self._settings
        has_pages = settings.board or settings.admin or self._has_graphiql
        board = Board(WEB_BUILD, has_demo=settings.has_demo, maps=self._maps)
        return [
            media_route(PHOTO_FOLDER, application.photo_store, is_embeddable=bool(settings.allowed_origins)),
            *([self.metrics.route()] if settings.metrics else []),
            *health_routes(
                ping_database=application.database.ping,
                bus_state=lambda: application.bus.state,
                store_is_up=application.store_is_up,
                photos_are_up=lambda: application.photo_store.is_up,
                mail_is_up=lambda: application.mailer.is_up,
                replicas_are_up=(lambda: application.replicas.fresh > 0) if application.replicas.are_set else None,
                is_draining=lambda: self._draining.has_begun,
            ),
            *recovery_routes(),
            *([board.route(), service_worker_route()] if settings.board else []),
            *(self._graphiql.routes() if has_pages else []),
        ]

    def _middleware(self) -> list[Middleware]:
        """The layers around every HTTP request, the outermost first."""
        settings = self._settings
        return [
            Middleware(SecurityHeaders, is_https=settings.secure_cookies),
            *self._tracing_layer(),
            Middleware(RequestId, observe=self.metrics.observe_request),
            Middleware(Incidents),
            Middleware(Hosts, names=settings.host_names),
            *_cors(settings),
            Middleware(
                BodyLimit,
                max_bytes=settings.max_body_bytes,
                max_bytes_together=settings.max_body_bytes_together,
                timeout_s=settings.receive_timeout_s,
            ),
        ]

    def _tracing_layer(self) -> list[Middleware]:
        """Around the request's log line, so that the line has the trace."""
        tracing = self._application.tracing
        if tracing is None:
            return []
        return [Middleware(TracedRequests, tracing=tracing, folders=self._folders)]

    def _mount_admin(self, starlette: Starlette) -> None:
        application, public_url = self._application, self._settings.public_url
        admin.mount(
            starlette,
            database=application.database,
            staff=application.staff,
            approvals=application.approvals,
            webhooks=application.staff_webhooks,
            needs_approval=application.services.driver_rules.needs_approval,
            trip_details=application.trip_details,
            people=application.people,
            cookie=self._cookies,
            address_of=self._address_of,
            is_own_page=self._own_pages.allows_socket,
            icon_url=self._graphiql.icon_url,
            live_page=CityPage(WEB_BUILD, maps=self._maps).page,
            map_files=TripMap(WEB_BUILD, maps=self._maps).files,
            public_url=public_url,
        )

    def _address_of(self, request: Request) -> str | None:
        """The network that rate limits count the request by; None: this machine itself."""
        return HttpClientInfo(
            request.scope,
            request.headers,
            self._cookies,
            trusts_loopback=self._trusts_loopback,
            own_pages=self._own_pages,
        ).address


def create_app(settings: Settings) -> ASGIApp:
    """The ASGI application of one server; its lifespan starts and stops everything."""
    return Asgi(Application(settings))


def _cors(settings: Settings) -> list[Middleware]:
    """The CORS layer for pages of the allowed origins; none without allowed origins."""
    if not settings.allowed_origins:
        return []
    headers = ("Authorization", "Content-Type", "X-Request-ID", *PREFLIGHT_HEADERS)
    return [Middleware(Cors, origins=settings.allowed_origins, headers=headers)]


def _with_one_line_failures(send: Send) -> Send:
    async def send_message(message: Message) -> None:
        if message["type"].endswith(".failed") and (line := one_line(sys.exception())):
            # Starlette would send the traceback.
            message = {**message, "message": line}
        await send(message)

    return send_message
