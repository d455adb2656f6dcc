"""Records which trips were requested, and when each socket received each of them."""

import asyncio
import time
from array import array
from dataclasses import dataclass, field

from benchmarks.operations import MARK, MARK_DIGITS

_MARK = MARK.encode()


@dataclass(slots=True, eq=False)
class Offer:
    """A requested trip on its way to every socket."""

    number: int
    seen: bytearray
    left: int
    sent_s: float = 0.0
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))


class Offers:
    """Every offer of one set of sockets."""

    def __init__(self, sockets: int) -> None:
        self._sockets = sockets
        self._offers: list[Offer] = []
        self.repeated = 0
        self.last_receipt_s = 0.0
        self._receipt = asyncio.Event()

    def new(self, *, receivers: int | None = None) -> Offer:
        """Record a new offer that ``receivers`` sockets have to receive; None: all sockets."""
        left = self._sockets if receivers is None else receivers
        offer = Offer(len(self._offers), bytearray(self._sockets), left)
        self._offers.append(offer)
        return offer

    @property
    def all(self) -> list[Offer]:
        """Every offer so far."""
        return list(self._offers)

    def receive(self, socket: int, message: bytes) -> None:
        """Record a message of a socket: the hot path of the load generator."""
        at = message.find(_MARK) + 1
        if at == 0:
            return
        now_s = time.perf_counter()
        offer = self._offers[int(message[at : at + MARK_DIGITS])]
        if offer.seen[socket]:
            self.repeated += 1
            return
        offer.seen[socket] = 1
        offer.latencies_s.append(now_s - offer.sent_s)
        offer.left -= 1
        if offer.left == 0:
            self.last_receipt_s = now_s
            self._receipt.set()

    async def all_received(self, offers: list[Offer], *, within_s: float) -> bool:
        """Wait until every socket has received all of these offers; False: not in time."""
        try:
            async with asyncio.timeout(within_s):
                while any(offer.left > 0 for offer in offers):
                    self._receipt.clear()
                    await self._receipt.wait()
        except TimeoutError:
            return False
        return True
