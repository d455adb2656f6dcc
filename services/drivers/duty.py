"""The use case of going on and off duty."""

from models.values import Role
from models.visibility import Actor
from services.drivers.standing_changes import StandingChanges
from services.limits.throttle import PerUser
from services.trips.faults import NotADriver


class Duty:
    """Whether drivers are on duty. It stays as it is when sockets close, sessions end or servers restart."""

    def __init__(self, changes: StandingChanges, changing: PerUser) -> None:
        """``changing``: how often a user may change anything of their own."""
        self._changes = changes
        self._changing = changing

    async def set(self, actor: Actor, *, on_duty: bool) -> None:
        """Go on or off duty. Repeating it changes nothing and announces nothing.

        Off duty no trip can be accepted. When this returns, no position is stored that the driver reported before,
        and none is stored that is reported later, unless a trip is under way: then that happens at its end.

        Raises:
            NotADriver: the caller is a rider.
            RateLimited: the caller changes things too often.
            SessionEnded: the caller's session has ended.
        """
        if actor.user.role is not Role.DRIVER:
            raise NotADriver("Only drivers go on and off duty.")
        await self._changing.count(actor)
        await self._changes.make(actor, assignment="on_duty = $2", condition="on_duty <> $2", value=on_duty)
