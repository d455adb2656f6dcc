"""What a resolver may reach."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from models.visibility import Actor
from schema.api.errors import (bad_user_input, unauthenticated)
from services.accounts.accounts import Accounts
from services.accounts.deletion import Deletions
from services.live.hub import Hub
from services.live.live_sessions import LiveSessions
from services.positions.reporting import Locations
from services.limits.per_user import PerUser
from services.accounts.profiles import Profiles
from services.positions.routing import Router
from services.accounts.sessions import Sessions
from services.events.channels import Topics
from services.trips.history import TripHistory
from services.trips.commands import Trips


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases of one application, built once."""

    accounts: Accounts
    profiles: Profiles
    deletions: Deletions
    sessions: Sessions
    trips: Trips
    history: TripHistory
    locations: Locations
    router: Router
    offer_radius_m: float
    subscribing: PerUser
    hub: Hub
    live_sessions: LiveSessions
    topics: Topics


class Sender(Protocol):
    """Who sent an HTTP request, as far as the request itself tells."""

    @property
    def address(self) -> str | None:
        """The network that limits count by; None: this machine itself."""
        ...

    def token(self, *, is_bearer: bool) -> str | None:
        """The token of the ``Authorization`` header, or that of the cookie."""
        ...

    @property
    def is_bearer(self) -> bool:
        """Whether the caller is who the ``Authorization`` header says, whatever cookie is beside it."""
        ...


@dataclass(slots=True)
class Context:
    """One operation's context. It has one caller: what begins or exchanges a session does so for the next request.

    ``sender`` is there exactly over HTTP.
    ``set_token`` is what the HTTP response has to put into the session cookie: None leaves it alone, an
    empty string removes it.
    """

    services: Services
    caller: Actor | None
    sender: Sender | None = None
    set_token: str | None = field(default=None)

    @property
    def actor(self) -> Actor:
        """The caller. Raises: RequestError UNAUTHENTICATED when there is no session."""
        if self.caller is None:
            raise unauthenticated()
        return self.caller

    def end_session(self) -> None:
        """The caller's session has ended: what follows in the operation has no caller, and the cookie goes if the
        session was in it."""
        self.caller = None
        if self.sender is not None and not self.sender.is_bearer:
            self.set_token = ""


class SharedContext:
    """The context of an execution whose result goes to many: it knows no caller, and asking for one raises."""

    def __init__(self, services: Services) -> None:
        self.services = services

    @property
    def caller(self) -> Actor:
        """Raises: RuntimeError, since a field that depends on the viewer must make its own audience."""
        raise RuntimeError("a shared execution has no caller")

    actor = caller


def to_uuid(value: str, name: str) -> UUID:
    """An id from outside. Raises: RequestError BAD_USER_INPUT when it is not a UUID."""
    try:
        return UUID(value)
    except ValueError:
        raise bad_user_input("An id is a UUID.", field=(name,)) from None
