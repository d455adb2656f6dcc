"""Addresses whose sockets repeatedly had to be closed for what they sent."""

import time
from typing import Literal

from services.limits.networks import UNKNOWN, network_of
from services.limits.rates import Rate, RateLimit, RateLimited
from services.runtime.expiring_map import ExpiringMap

# At most so many addresses are remembered as barred.
MAX_BARRED = 10_000


class Offenders:
    """Bars addresses from opening sockets, within this process.

    An address (of IPv6, a network) whose sockets break the protocol, flood, or never introduce themselves more
    often than ``rate`` is refused for as long as the rate's period, before any other work: a client that
    is cut for flooding would reconnect at once, and a handshake costs more than most messages. None: no address
    is barred.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._period_s = rate.period_s if rate is not None else 0
        self._limit = RateLimit(rate)
        self._barred = ExpiringMap[str, Literal[True]](MAX_BARRED)

    def note(self, host: str) -> None:
        """Count one offence. An unknown address cannot be told from others and is not barred."""
        address = network_of(host)
        if address == UNKNOWN:
            return
        try:
            self._limit.check(address)
        except RateLimited:
            now = time.monotonic()
            self._barred.put(address, True, until_s=now + self._period_s, now_s=now)

    def are_at(self, host: str) -> bool:
        """Whether the address is barred now."""
        return bool(self._barred) and self._barred.get(network_of(host), now_s=time.monotonic()) is not None
