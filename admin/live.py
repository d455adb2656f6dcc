"""The page with the city, live."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette_admin import CustomView
from starlette_admin.routing import route


class LiveView(CustomView):
    """The city, live: a page of the front end's build, and its entry in the menu.

    The page has no data. It subscribes to the API with the cookie of the member of staff who opened it.
    """

    menu_label = "Live"
    icon = "fa fa-map-location-dot"
    path = "/live"
    route_name = "live"

    def __init__(self, page: Callable[[], Response]) -> None:
        super().__init__()
        self._page = page

    @route("")  # pyright: ignore[reportUntypedFunctionDecorator]
    async def index(self, request: Request) -> Response:
        """The page."""
        return self._page()
