"""Addresses whose sockets repeatedly had to be closed for what they sent."""

import time
from collections import OrderedDict

from services.limits.networks import UNKNOWN, network_of
from services.limits.rates import Rate, RateLimit, RateLimited

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
        # The end of each bar; the oldest bar comes first.
        self._barred_until: OrderedDict[str, float] = OrderedDict()

    def note(self, host: str) -> None:
        """Count one offence. An unknown address cannot be told from others and is not barred."""
        address = network_of(host)
        if address == UNKNOWN:
            return
        try:
            self._limit.check(address)
        except RateLimited:
            self._barred_until[address] = time.monotonic() + self._period_s
            self._barred_until.move_to_end(address)
            if len(self._barred_until) > MAX_BARRED:
                self._barred_until.popitem(last=False)

    def are_at(self, host: str) -> bool:
        """Whether the address is barred now."""
        if not self._barred_until:
            return False
        address = network_of(host)
        until = self._barred_until.get(address)
        if until is None:
            return False
        if until > time.monotonic():
            return True
        del self._barred_until[address]
        return False
