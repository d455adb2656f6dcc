"""What the rider and the driver of a trip see and tell each other at the car, without the server."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Meeting:
    """The rider and the driver of one trip. ``news``: set when the rider should look up.

    ``pin``: what the rider tells the driver, if the server asks for a PIN.
    """

    rider_comes: bool = True
    pin: str | None = None
    phone_is_dead: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def phone_dies(self) -> None:
        """The driver's phone is off from now on, and the rider in the car knows it."""
        self.phone_is_dead = True
        self.news.set()

    def phone_is_back(self) -> None:
        """The driver's phone works again."""
        self.phone_is_dead = False
        self.news.set()


class Meetings:
    """The meetings by trip id. A rider of whom nothing is known comes, and says nothing."""

    def __init__(self) -> None:
        self._meetings = defaultdict[str, Meeting](Meeting)

    def of(self, trip_id: str) -> Meeting:
        """The meeting of a trip's rider and driver."""
        return self._meetings[trip_id]
