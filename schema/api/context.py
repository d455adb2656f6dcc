"""What resolvers can use: the use cases and the caller."""

from dataclasses import dataclass, field
from typing import Protocol

import strawberry

from models.frozen import frozen
from models.standing import DriverRules
from models.visibility import Actor
from schema.api.errors import forbidden, unauthenticated
from services.accounts.accounts import Accounts
from services.accounts.deletion import Deletions
from services.accounts.emails import Emails
from services.accounts.log_in import LogIns
from services.accounts.profiles import Profiles
from services.accounts.push_subscriptions import PushSubscriptions
from services.accounts.recovery import Recovery
from services.accounts.sessions import Sessions
from services.drivers.duty import Duty
from services.drivers.standings import Standings
from services.drivers.vehicles import Vehicles
from services.events.topics import Topics
from services.limits.throttle import PerUser
from services.live.city import City
from services.live.hub import Hub
from services.live.live_sessions import LiveSessions
from services.positions.estimates import Estimates
from services.positions.reporting import Positions
from services.positions.trip_drives import TripDrives
from services.staff.city_figures import CityStatistics
from services.staff.city_routes import CityRouting
from services.staff.rights import StaffRights
from services.trips.arrivals import Arrivals
from services.trips.by_ids import ByIds
from services.trips.commands import Trips
from services.trips.history import TripHistory
from services.trips.pick_up_pins import PickUpPins
from services.trips.ratings import Ratings

# Root fields whose use case checks the session before it tells or writes anything, and that use only the caller's
# id and role, which never change, or read again what else they use. For these, the caller need not be read again.
FIELDS_THAT_CHECK_THE_SESSION = frozenset({"createTrip", "reportLocation", "trips", "updateTrip"})


@frozen
class Services:
    """The use cases of one application, built once."""

    accounts: Accounts
    log_ins: LogIns
    profiles: Profiles
    deletions: Deletions
    emails: Emails
    push_subscriptions: PushSubscriptions
    recovery: Recovery
    sessions: Sessions
    trips: Trips
    by_ids: ByIds
    arrivals: Arrivals
    history: TripHistory
    pick_up_pins: PickUpPins
    ratings: Ratings
    duty: Duty
    vehicles: Vehicles
    standings: Standings
    driver_rules: DriverRules
    positions: Positions
    estimates: Estimates
    trip_drives: TripDrives
    offer_radius_m: float
    subscribing: PerUser
    hub: Hub
    live_sessions: LiveSessions
    topics: Topics
    city: City
    city_statistics: CityStatistics
    city_routing: CityRouting
    staff_rights: StaffRights


class ClientInfo(Protocol):
    """The client of an HTTP request, as read from the request."""

    @property
    def address(self) -> str | None:
        """The network that rate limits count by; None: this machine itself."""
        ...

    def token(self, *, is_bearer: bool) -> str | None:
        """The token in the ``Authorization`` header, or with ``is_bearer=False`` the one in the cookie."""
        ...

    @property
    def is_own_page(self) -> bool:
        """Whether a page of this server, or a program, makes the request, or a token in a header names the caller:
        anything but a page of another allowed origin with the cookie of its visitor.
        """
        ...

    @property
    def is_bearer(self) -> bool:
        """Whether the ``Authorization`` header names the caller: a cookie beside it is then ignored."""
        ...


@dataclass(slots=True)
class Context:
    """What the resolvers of one operation share.

    ``caller`` does not change when a mutation begins or replaces a session: the new session is for the next
    request. ``client`` is None over a socket.
    ``set_token`` is what the HTTP response puts into the session cookie: None leaves the cookie alone, an empty
    string removes it. ``is_own_page``: over a socket, what ``ClientInfo.is_own_page`` says of a request.
    """

    services: Services
    caller: Actor | None
    client: ClientInfo | None = None
    set_token: str | None = field(default=None)
    is_own_page: bool = True

    @property
    def actor(self) -> Actor:
        """The caller. Raises: RequestError UNAUTHENTICATED when there is no session."""
        if self.caller is None:
            raise unauthenticated()
        return self.caller

    @property
    def staff(self) -> Actor:
        """The caller, who may be a member of staff: the use case checks it.

        As in the admin, pages of allowed origins cannot act as the member of staff who visits them.

        Raises: RequestError UNAUTHENTICATED, FORBIDDEN.
        """
        actor = self.actor
        if not (self.client.is_own_page if self.client is not None else self.is_own_page):
            raise forbidden("Pages of other origins may not use the session of staff.")
        return actor

    def end_session(self) -> None:
        """End the caller's session within this operation: its remaining fields have no caller, and the cookie is
        removed if it holds that session."""
        self.caller = None
        if self.client is not None and not self.client.is_bearer:
            self.set_token = ""


class SharedContext:
    """The context of an execution whose result goes to many subscribers. It has no caller."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @property
    def caller(self) -> Actor:
        """Raises: RuntimeError. A field that depends on the viewer has to use the audience instead."""
        raise RuntimeError("a shared execution has no caller")

    actor = caller


Info = strawberry.Info[Context, None]
"""What the resolver of a root field is given."""

SharedInfo = strawberry.Info[Context | SharedContext, None]
"""What the resolver of any other field is given. Its answer may go to many: it must not ask for the caller."""
