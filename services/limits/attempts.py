"""Attempts at a name: to log in with it, or to sign up under it."""

import hashlib

from services.limits.rates import (Rate, RateLimit)
from services.limits.throttle import (Claim, Throttle)

# So many times the rate of one address may be tried at one name from all addresses together.
NAME_FACTOR = 10


class Attempts:
    """Holds attempts to a rate, by address and by name.

    - From one address come at most ``rate``, whatever the names and however they end.
    - At one name there are at most ``NAME_FACTOR`` times that many from all addresses together, not counting those
      that succeed. So one address cannot keep the owner of a name out. Many can, while they go on, and not quite:
      refused attempts do not count, and a place is free again every few moments.
    - Requests of this machine itself (``address`` is None) are held to ``rate`` for each name instead.
    """

    def __init__(self, what: str, rate: Rate | None, throttle: Throttle) -> None:
        """``what``: a word for the attempts, unique among all that are counted."""
        self._throttle = throttle
        self._by_address = RateLimit(rate, name=f"{what}:address")
        self._by_name = RateLimit(rate.multiplied(NAME_FACTOR) if rate is not None else None, name=f"{what}:name")

    async def count(self, *, name: str, address: str | None) -> None:
        """Count one, before anything is looked up. Raises: RateLimited, and then it does not count."""
        digest = _digest(name)
        await self._throttle.take(
            (self._by_address, address if address is not None else f"here:{digest}"), self._of_name(digest)
        )

    async def succeeded(self, *, name: str) -> None:
        """It was right: the name has not been attacked."""
        await self._throttle.give_back(self._of_name(_digest(name)))

    def _of_name(self, digest: str) -> Claim:
        return (self._by_name, digest)


def _digest(name: str) -> str:
    # Names are often e-mail addresses, which are nobody's business in Redis, and as long as somebody likes.
    return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16).hexdigest()
