"""A driver's phone: it reports where the car is, and sometimes its battery is empty."""

import asyncio
from datetime import UTC, datetime

from simulation import operations
from simulation.car import Car
from simulation.client import Client, Failed, Limited
from simulation.counts import Counts
from simulation.driver_app import DriverApp
from simulation.habits import Habits
from simulation.live_socket import LiveSocket


class Phone:
    """Reports where the car is while the server takes it. ``on``: clear while the battery is empty."""

    def __init__(
        self, client: Client, socket: LiveSocket, car: Car, habits: Habits, app: DriverApp, counts: Counts
    ) -> None:
        self.on = asyncio.Event()
        self.on.set()
        self._client = client
        self._socket = socket
        self._car = car
        self._habits = habits
        self._app = app
        self._counts = counts
        self._driven_until_s = asyncio.get_running_loop().time()

    async def die(self) -> None:
        """The battery is empty: the socket closes, and nothing is sent."""
        self._counts.dead_phones += 1
        self.on.clear()
        await self._socket.switch_off()

    def come_back(self) -> None:
        """The battery is charged."""
        self._socket.switch_on()
        self.on.set()

    def locate(self) -> None:
        """Move the car by the time since the last call."""
        now_s = asyncio.get_running_loop().time()
        self._car.drive(now_s - self._driven_until_s)
        self._driven_until_s = now_s

    async def keep_reporting(self, every_s: float) -> None:
        """Report until cancelled."""
        await asyncio.sleep(self._habits.rng.uniform(0, every_s))
        while True:
            await self.on.wait()
            if self._app.reports:
                await self.report()
            await asyncio.sleep(self._habits.about(every_s))

    async def report(self) -> None:
        """Report the position once."""
        self.locate()
        position = {
            "point": {"lat": self._car.point.lat, "lng": self._car.point.lng},
            "heading": self._car.heading,
            "recordedAt": datetime.now(UTC).isoformat(),
        }
        try:
            payload = await self._client.ask(operations.REPORT_LOCATION, input=position)
        except Limited as limit:
            await asyncio.sleep(limit.retry_after_s)
            return
        except Failed:
            # The next report follows soon.
            return
        if payload["errors"]:
            self._counts.answers[payload["errors"][0]["code"]] += 1
        else:
            self._counts.positions += 1
