"""The rate of log-ins, and that of sign-ups: by address and by user name."""

import hashlib

from services.limits.rates import Rate, RateLimit
from services.limits.throttle import Claim, Throttle

# The rate of one name, over all addresses, is this many times the rate of one address.
NAME_FACTOR = 10


class LogInRate:
    """Limits log-ins, or sign-ups, by address and by user name.

    - One address may make ``rate`` attempts, for any names, successful or not.
    - One name may get ``NAME_FACTOR`` times as many failed attempts, from all addresses together. So one address
      cannot lock out the owner of a name. Many addresses can, but not completely: refused attempts do not count,
      so attempts become available again at an even rate.
    - Requests from this machine itself (``address`` is None) are limited to ``rate`` for each name instead.
    """

    def __init__(self, what: str, rate: Rate | None, throttle: Throttle) -> None:
        """``what``: the name of the limit, unique among all limits."""
        self._throttle = throttle
        self._by_address = RateLimit(rate, name=f"{what}:address", group=what)
        of_names = rate.multiplied(NAME_FACTOR) if rate is not None else None
        self._by_name = RateLimit(of_names, name=f"{what}:name", group=what)

    async def count(self, *, name: str, address: str | None) -> None:
        """Count one attempt; call it before any look-up. Raises: RateLimited; then nothing is counted."""
        digest = _digest(name)
        await self._throttle.take(
            (self._by_address, address if address is not None else f"here:{digest}"), self._of_name(digest)
        )

    async def succeeded(self, *, name: str) -> None:
        """Take back the count of the name, because the attempt succeeded."""
        await self._throttle.give_back(self._of_name(_digest(name)))

    def _of_name(self, digest: str) -> Claim:
        return (self._by_name, digest)


def _digest(name: str) -> str:
    # Hashed, because user names are often e-mail addresses, which must not be in Redis. They can also be long.
    return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16).hexdigest()
