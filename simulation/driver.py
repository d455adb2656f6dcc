"""A driver: drives around, accepts offers that are near, and brings riders to their destinations."""

import asyncio
from typing import Any

from simulation import operations
from simulation.car import Car
from simulation.client import Changed, Client, Failed
from simulation.counts import Counts
from simulation.driver_app import DriverApp
from simulation.geo import GeoPoint, distance_m
from simulation.habits import Habits
from simulation.ledger import Ledger
from simulation.live_socket import LiveSocket
from simulation.meetings import Meetings
from simulation.phone import Phone
from simulation.ratings import Ratings

_AFTER_FAILURE_S = 0.5
_AFTER_REFUSAL_S = 1.0


class Driver:
    """One driver's behaviour, with an app and a phone."""

    def __init__(
        self,
        name: str,
        client: Client,
        socket: LiveSocket,
        car: Car,
        habits: Habits,
        *,
        ledger: Ledger,
        ratings: Ratings,
        meetings: Meetings,
        counts: Counts,
        report_every_s: float,
    ) -> None:
        """``name``: the id of the driver's account."""
        self.name = name
        self.socket = socket
        self.app = DriverApp(ledger=ledger, counts=counts)
        self._phone = Phone(client, socket, car, habits, self.app, counts)
        self._client = client
        self._car = car
        self._habits = habits
        self._ledger = ledger
        self._ratings = ratings
        self._meetings = meetings
        self._counts = counts
        self._report_every_s = report_every_s

    async def arrive(self) -> None:
        """Subscribe to the pool and to the driver's trips."""
        await self.socket.follow(operations.DRIVER_POOL, self.app.hear_pool)
        await self.socket.follow(operations.MY_TRIPS, self.app.hear_own)

    async def live(self) -> None:
        """Drive until cancelled."""
        if self.app.reports:
            # The pool depends on the driver's position.
            await self._phone.report()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._phone.keep_reporting(self._report_every_s))
            tasks.create_task(self._work())
            tasks.create_task(self._take_breaks())

    @property
    def pause_is_right(self) -> bool:
        """Whether the pool is paused as it should be, as far as the driver can know."""
        return not self._phone.on.is_set() or self.app.pause_is_right

    async def pause_gets_right(self) -> None:
        """Return when ``pause_is_right``."""
        if self._phone.on.is_set():
            await self.app.pause_gets_right()

    async def check_rating(self) -> None:
        """Compare the driver's rating with what the riders gave."""
        await self._ratings.check(self._client, self.name)

    async def go_home(self) -> None:
        """Give back or complete the driver's trip, so that no rider waits in vain."""
        # The last change may have been made although its answer was lost, so try both statuses.
        for home in ("REQUESTED", "COMPLETED"):
            trip = self.app.trip
            # An event may have ended the trip in the meantime.
            if trip is None or (await self._client.change(trip["id"], home)).code is None:
                return

    async def accept(self, trip_id: str) -> None:
        """Try to take a trip, on duty or not."""
        was_off_duty, duty_changes = self.app.on_duty is False, self.app.duty_changes
        try:
            answer = await self._client.change(trip_id, "STARTED")
        except Failed:
            await asyncio.sleep(self._habits.about(_AFTER_FAILURE_S))
            return
        self.app.offers.pop(trip_id, None)
        if answer.trip is not None:
            self._ledger.accepted(answer.trip, driver=self.name)
            # Off duty from the request to the answer.
            self._ledger.paused_wrongly += was_off_duty and self.app.duty_changes == duty_changes
            self.app.take_note(answer.trip)

    async def wait_for_rider(self, trip: dict[str, Any]) -> None:
        """At the pick-up: begin the ride, or ask whether to go on without the rider."""
        if self._meetings.of(trip["id"]).rider_comes:
            if await self.app.keeps(trip, self._habits.boarding_s()):
                await self._start(trip)
            return
        # The first answer is TOO_EARLY, with the time that the server wants a driver to wait.
        await self._move_on(trip, "CANCELLED", code="NO_SHOW")

    async def _work(self) -> None:
        while True:
            trip = self.app.trip
            if trip is None:
                await self._look_for_trips()
            elif trip["status"] == "IN_PROGRESS":
                await self._drive_rider(trip)
            elif trip["arrivedAt"] is None:
                await self._drive_to_pick_up(trip)
            else:
                await self.wait_for_rider(trip)

    async def _look_for_trips(self) -> None:
        self._phone.locate()
        if self.app.on_duty:
            self._car.cruise()
        else:
            self._car.head_for(self._car.point)
        self.app.news.clear()
        offer = self._nearest_offer() if self.app.on_duty else None
        if offer is None:
            await self.app.news.wait()
            return
        await asyncio.sleep(self._habits.reaction_s(self._distance_m(offer)))
        if self.app.trip is None and offer["id"] in self.app.offers and self.app.on_duty:
            await self.accept(offer["id"])

    async def _drive_to_pick_up(self, trip: dict[str, Any]) -> None:
        arrival_s = self._head_for(trip["pickUp"])
        if self._habits.gives_back():
            if await self.app.keeps(trip, arrival_s / 2):
                code = self._habits.cancel_code()
                if (await self._move_on(trip, "REQUESTED", code=code)).code is None:
                    self._counts.cancel_codes[code] += 1
        elif await self.app.keeps(trip, arrival_s):
            # The server compares the driver's position with the pick-up.
            await self._phone.report()
            await self._arrive(trip)

    async def _arrive(self, trip: dict[str, Any]) -> None:
        self._ledger.arriving(trip["id"])
        try:
            answer = await self._client.arrive(trip["id"])
        except Failed:
            await asyncio.sleep(self._habits.about(_AFTER_FAILURE_S))
            return
        if answer.trip is not None:
            self._counts.arrivals += 1
            self._ledger.arrived(answer.trip)
        await self._follow(trip, answer)

    async def _start(self, trip: dict[str, Any]) -> None:
        """Begin the ride, with the rider's PIN if there is one."""
        pin = self._meetings.of(trip["id"]).pin
        if pin is not None and self._habits.mistypes():
            answer = await self._move_on(trip, "IN_PROGRESS", pin=f"{(int(pin) + 1) % 10_000:04}")
            self._ledger.wrong_pins += answer.trip is not None
            if answer.code != "WRONG_PIN":
                return
        answer = await self._move_on(trip, "IN_PROGRESS", pin=pin)
        if answer.code == "WRONG_PIN" and pin is None:
            # The rider is not simulated, and cannot tell it.
            await self._move_on(trip, "REQUESTED", code="OTHER")

    async def _drive_rider(self, trip: dict[str, Any]) -> None:
        arrival_s = self._head_for(trip["dropOff"])
        if self._habits.phone_dies():
            if not await self.app.keeps(trip, arrival_s / 2):
                return
            meeting = self._meetings.of(trip["id"])
            await self._phone.die()
            meeting.phone_dies()
            # The car drives on, and its app shows what it has shown last.
            await asyncio.sleep(max(arrival_s / 2, self._habits.phone_dead_s()))
            self._phone.come_back()
            meeting.phone_is_back()
        elif not await self.app.keeps(trip, arrival_s):
            return
        await self._phone.report()
        answer = await self._move_on(trip, "COMPLETED")
        if answer.trip is not None:
            rider = answer.trip["rider"]["id"]
            self._ratings.rode(self.name, rider)
            await self._ratings.give(self._client, self._habits, self._counts, trip_id=trip["id"], subject=rider)

    async def _move_on(
        self, trip: dict[str, Any], status: str, *, code: str | None = None, pin: str | None = None
    ) -> Changed:
        """Change the trip. If the server says that it is too early, wait, or until the trip changes."""
        sent_s = self._ledger.clock()
        try:
            answer = await self._client.change(trip["id"], status, code=code, pin=pin)
        except Failed as failure:
            await asyncio.sleep(self._habits.about(_AFTER_FAILURE_S))
            return Changed(None, str(failure))
        if answer.code == "TOO_EARLY":
            self._ledger.too_early(trip["id"], sent_s=sent_s, retry_after_s=answer.retry_after_s)
        elif answer.trip is not None:
            self._ledger.changed(answer.trip)
        await self._follow(trip, answer)
        return answer

    async def _follow(self, trip: dict[str, Any], answer: Changed) -> None:
        """Take note of the trip after a change, or wait until it may be tried again."""
        if answer.trip is not None:
            self.app.take_note(answer.trip)
        elif answer.code in {"TOO_EARLY", "NOT_NEAR", "WRONG_PIN", "PIN_LOCKED"}:
            await self.app.keeps(trip, self._habits.obeys_s(answer.retry_after_s or _AFTER_REFUSAL_S))
        else:
            # The trip was cancelled. The event may come later.
            self.app.forget(trip["id"])

    async def _take_breaks(self) -> None:
        while True:
            await asyncio.sleep(self._habits.until_break_s())
            await self._set_on_duty(False)
            self._counts.breaks += 1
            self._counts.breaks_on_trips += self.app.trip is not None
            if self.app.trip is None and self._habits.works_overtime():
                await self._try_any_trip()
            await asyncio.sleep(self._habits.break_s())
            await self._set_on_duty(True)
            # The server has forgotten where the car is.
            await self._phone.report()

    async def _try_any_trip(self) -> None:
        """Try to take an open trip, off duty: the pool is paused, but the list of trips has them."""
        try:
            trips = (await self._client.ask(operations.OPEN_TRIPS))["nodes"]
        except Failed:
            return
        for trip in trips:
            await self.accept(trip["id"])

    async def _set_on_duty(self, on_duty: bool) -> None:
        """Go on or off duty; tries until it succeeds."""
        while True:
            await self._phone.on.wait()
            self.app.set_on_duty(None)
            try:
                await self._client.insist(operations.SET_ON_DUTY, onDuty=on_duty)
            except Failed:
                await asyncio.sleep(self._habits.about(_AFTER_FAILURE_S))
                continue
            self.app.set_on_duty(on_duty)
            return

    def _head_for(self, position: dict[str, float] | None) -> float:
        """Drive there; returns the seconds until the arrival. Without coordinates it is here."""
        self._phone.locate()
        return self._car.head_for(_point(position) if position is not None else self._car.point)

    def _nearest_offer(self) -> dict[str, Any] | None:
        return min(self.app.offers.values(), key=self._distance_m, default=None)

    def _distance_m(self, offer: dict[str, Any]) -> float:
        return distance_m(self._car.point, _point(offer["pickUp"])) if offer["pickUp"] is not None else 0.0


def _point(position: dict[str, float]) -> GeoPoint:
    return GeoPoint(position["lat"], position["lng"])
