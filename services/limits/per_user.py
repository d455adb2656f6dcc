"""Rate limits per user."""

from models.visibility import Actor
from services.limits.rates import Rate, RateLimit
from services.limits.throttle import Throttle


class PerUser:
    """Limits how often each user may do something; failures count too."""

    def __init__(self, what: str, rate: Rate | None, throttle: Throttle) -> None:
        """``what``: the name of the limit, unique among all limits."""
        self._throttle = throttle
        self._limit = RateLimit(rate, name=what)

    async def count(self, actor: Actor) -> None:
        """Count one use. Raises: RateLimited; then nothing is counted."""
        if self._limit.rate is not None:
            await self._throttle.take((self._limit, str(actor.id)))
