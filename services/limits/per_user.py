"""Holding each user to a rate."""

from models.visibility import Actor
from services.limits.rates import (Rate, RateLimit)
from services.limits.throttle import Throttle


class PerUser:
    """How often each user may do something, whatever comes of it."""

    def __init__(self, what: str, rate: Rate | None, throttle: Throttle) -> None:
        """``what``: a word for it, unique among all that is counted."""
        self._throttle = throttle
        self._limit = RateLimit(rate, name=what)

    async def count(self, actor: Actor) -> None:
        """Count one. Raises: RateLimited, and then it does not count."""
        if self._limit.rate is not None:
            await self._throttle.take((self._limit, str(actor.id)))
