"""The rate of log-ins, and that of sign-ups: by address and by user name."""

import hashlib

from services.limits.rates import Rate, RateLimit
from services.limits.throttle import Claim, Throttle

# The rate of one name, over all addresses, is this many times the rate of one address.
NAME_FACTOR = 10


class LogInRate:
    """Limits log-ins, or sign-ups, by address and by user name.

    - From one address come at most ``rate``, whatever the names and however they end.
    - At one name there are at most ``NAME_FACTOR`` times that many from all addresses together, not counting those
      that succeed. So one address cannot keep the owner of a name out. Many can, while they go on, and not quite:
      refused attempts do not count, and a place is free again every few moments.
    - Requests of this machine itself (``address`` is None) are held to ``rate`` for each name instead.
    """

    def __init__(self, what: str, rate: Rate | None, throttle: Throttle) -> None:
        """``what``: the name of the limit, unique among all limits."""
        self._throttle = throttle
        self._by_address = RateLimit(rate, name=f"{what}:address")
        self._by_name = RateLimit(rate.multiplied(NAME_FACTOR) if rate is not None else None, name=f"{what}:name")

    async def count(self, *, name: str, address: str | None) -> None:
        """Count one attempt; call it before any look-up. Raises: RateLimited; then nothing is counted."""
        digest = _digest(name)
        await self._throttle.take(
            (self._by_address, address if address is not None else f"here:{digest}"), self._of_name(digest)
        )

    async def succeeded(self, *, name: str) -> None:
        """Take back the count of the name, since the attempt succeeded."""
        await self._throttle.give_back(self._of_name(_digest(name)))

    def _of_name(self, digest: str) -> Claim:
        return (self._by_name, digest)


def _digest(name: str) -> str:
    # Redis must not hold user names, which are often e-mail addresses; and a name can be of any length.
    return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16).hexdigest()
