"""Addresses whose sockets repeatedly had to be closed for what they sent."""

import time
from typing import Literal

from services.limits.networks import UNKNOWN, network_of
from services.limits.rates import Rate, RateLimit, RateLimited
from services.runtime.expiring_map import ExpiringMap

# The maximum number of barred addresses; above it, the oldest is forgotten.
MAX_BARRED = 10_000


class Offenders:
    """Bars addresses from opening sockets, within this process.

    An offence is a socket that breaks the protocol, floods, or sends no ``connection_init``. An address (for IPv6
    a network) with more offences than ``rate`` is refused for the rate's period, before any other work. Otherwise
    a client that was cut for flooding would reconnect at once, and a handshake costs more than most messages.
    ``rate`` None: no address is barred.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._period_s = rate.period_s if rate is not None else 0
        self._limit = RateLimit(rate)
        self._barred = ExpiringMap[str, Literal[True]](MAX_BARRED)

    def note(self, host: str) -> None:
        """Count one offence. Never bars the unknown address, which many clients may share."""
        address = network_of(host)
        if address == UNKNOWN:
            return
        try:
            self._limit.check(address)
        except RateLimited:
            now = time.monotonic()
            self._barred.put(address, True, until_s=now + self._period_s, now_s=now)

    def is_barred(self, host: str) -> bool:
        """Whether the address is barred now."""
        return bool(self._barred) and self._barred.get(network_of(host), now_s=time.monotonic()) is not None
