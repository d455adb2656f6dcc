"""The admin as a whole."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from jinja2 import BaseLoader, Environment
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope
from starlette_admin import CustomView
from starlette_admin.base import BaseAdmin
from starlette_admin.export import ExportConfig
from starlette_admin.flash import FlashMiddleware
from starlette_admin.routing import route

from admin import time_zones, trip_map, words
from admin.approvals import WaitingDriverView
from admin.live import LiveView
from admin.log_in import LogIn, SessionCookie
from admin.person_page import PersonPage
from admin.protection import Protection
from admin.public_address import PublicAddress
from admin.ratings import RatingView
from admin.session_signing import FormTokens, SessionSigning, Signing
from admin.time_zones import TimeZones
from admin.trail import TrailView
from admin.trip_map import MapFiles
from admin.trip_page import TripPage
from admin.trips import TripView
from admin.users import UserView
from admin.webhook_deliveries import DeliveryView
from admin.webhooks import EndpointView
from services.database.connections import Database
from services.staff import approval_list, lists, rating_list
from services.staff import webhooks as webhook_lists
from services.staff.approvals import Approvals
from services.staff.list_query import MAX_ROWS
from services.staff.person import People
from services.staff.staff import Staff
from services.staff.trip_details import TripDetails
from services.staff.webhooks import StaffWebhooks

PATH = "/admin"
_TEMPLATES = Path(__file__).parent / "templates"


class _Index(CustomView):
    """The first page is the list of trips."""

    add_to_menu = False
    route_name = "index"

    @route("")  # pyright: ignore[reportUntypedFunctionDecorator]
    async def index(self, request: Request) -> RedirectResponse:
        return RedirectResponse(request.url_for("admin:list", key="trip"), status_code=303)


class _WithNonces(BaseLoader):
    """Marks the scripts in the templates, and only these, as allowed to run.

    A script that a user has put into a name comes into the page as a value and has no mark.
    """

    def __init__(self, loader: BaseLoader) -> None:
        self._loader = loader

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, filename, is_current = self._loader.get_source(environment, template)
        return source.replace("<script", '<script nonce="{{ request.state.nonce }}"'), filename, is_current


class _Pages(BaseAdmin):
    """starlette-admin with signatures that need no secret."""

    def __init__(self, cookie: SessionCookie, **options: Any) -> None:
        self._cookie = cookie
        # Nothing is signed with it, but the library warns if it is missing.
        super().__init__(secret_key=secrets.token_urlsafe(), **options)

    def _init_locale(self) -> None:
        self.middlewares.append(Middleware(TimeZones))

    def _init_flash(self) -> None:
        self._add_keyed(FlashMiddleware)

    def _init_csrf(self) -> None:
        self._add_keyed(FormTokens)

    def _add_keyed(self, signing: Signing) -> None:
        self.middlewares.append(Middleware(SessionSigning, signing=signing, token_of=self._cookie.from_cookie))


def mount(
    app: Starlette,
    *,
    database: Database,
    staff: Staff,
    approvals: Approvals,
    webhooks: StaffWebhooks,
    needs_approval: bool,
    trip_details: TripDetails,
    people: People,
    cookie: SessionCookie,
    address_of: Callable[[Request], str | None],
    is_own_page: Callable[[Scope, Headers], bool],
    icon_url: Callable[[], str | None],
    live_page: Callable[[], Response],
    map_files: Callable[[], MapFiles | None],
    public_url: str | None,
) -> None:
    """Serve the admin at ``/admin``.

    ``address_of``: the network that rate limits count a request by. ``is_own_page``: whether a request comes from
    the server's own pages. ``icon_url``: the path of the pages' icon, if there is one. ``live_page``: the page
    with the city, live. ``map_files``: the files of the map on the pages about a trip. ``public_url``: the address
    of the server for links, redirects and cookies; None: the requested one. ``needs_approval``: whether drivers
    need the approval of staff.
    """
    waiting = approval_list.waiting_drivers(database) if needs_approval else None
    pages = _Pages(
        cookie,
        title="Taxirank admin",
        base_url=PATH,
        route_name="admin",
        templates_dir=str(_TEMPLATES),
        index_view=_Index(path="/"),
        auth_provider=LogIn(
            staff, cookie=cookie, address_of=address_of, waiting=waiting.count if waiting is not None else None
        ),
        middlewares=[
            *([Middleware(PublicAddress, url=public_url)] if public_url is not None else []),
            Middleware(Protection, is_own_page=is_own_page),
        ],
        export_config=ExportConfig(max_rows=MAX_ROWS),
    )
    environment = pages.templates.env
    assert environment.loader is not None
    environment.loader = _WithNonces(environment.loader)
    # Jinja's types know only its own globals and filters.
    cast("dict[str, Any]", environment.globals).update(
        icon_url=icon_url, words=words, open_map=trip_map.opener(map_files)
    )
    cast("dict[str, Any]", environment.filters).update(moment=time_zones.moment, short_id=words.short_id)
    # In the order of work: who waits for staff comes first.
    if waiting is not None:
        pages.add_view(WaitingDriverView(waiting, staff, approvals))
    pages.add_view(LiveView(live_page))
    pages.add_view(TripView(lists.trips(database), staff, TripPage(trip_details)))
    pages.add_view(
        UserView(lists.users(database), staff, approvals, PersonPage(people), needs_approval=needs_approval)
    )
    pages.add_view(RatingView(rating_list.ratings(database), staff))
    pages.add_view(EndpointView(webhook_lists.endpoints(database), staff, webhooks))
    pages.add_view(DeliveryView(webhook_lists.deliveries(database), staff, webhooks))
    pages.add_view(TrailView(lists.actions(database), staff))
    app.routes.append(Route(PATH, _to_index, methods=["GET"]))
    pages.mount_to(app)


async def _to_index(_: Request) -> RedirectResponse:
    return RedirectResponse(f"{PATH}/", status_code=303)
