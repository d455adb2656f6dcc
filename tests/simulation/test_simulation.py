"""Whole simulations against a running server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from uuid import UUID

import pytest

from application.settings import Settings
from services.staff.staff import StaffMember
from simulation.accounts import SignUpFailed
from simulation.city import City
from simulation.geo import GeoPoint
from simulation.habits import Habits
from simulation.ledger import Record
from simulation.options import Options
from simulation.simulation import NoTaxirank, Phase, Simulation
from simulation.summary import Summary
from tests.conftest import LiveServer, people, serving
from tests.support.proxy import web_link
from tests.support.waiting import until

SPEED_UP = 50.0
# The server's storage makes no difference to these tests.
ONE_BACKEND = pytest.mark.parametrize("backend", ["embedded"], indirect=True)
CITY = City(GeoPoint(52.3702, 4.8952), 400.0)


class Steady(Habits):
    """Nobody cancels, everybody comes, no driver takes a break, and no phone dies."""

    def __init__(self) -> None:
        super().__init__(Random(1), speed_up=SPEED_UP)

    def gives_back(self) -> bool:
        return False

    def patience_s(self) -> float | None:
        return None

    def comes(self) -> bool:
        return True

    def mistypes(self) -> bool:
        return False

    def phone_dies(self) -> bool:
        return False

    def until_break_s(self) -> float:
        return 3_600.0


class Unlucky(Steady):
    """The first rider does not come, the first ride's phone dies, drivers take breaks, everybody rates twice, and
    every driver types a wrong PIN first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = Counter[str]()

    def comes(self) -> bool:
        self.asked["rider"] += 1
        return self.asked["rider"] != 1

    def phone_dies(self) -> bool:
        self.asked["phone"] += 1
        return self.asked["phone"] == 1

    def phone_dead_s(self) -> float:
        return 3_600.0

    def mistypes(self) -> bool:
        return True

    def until_break_s(self) -> float:
        return self.about(0.5)

    def break_s(self) -> float:
        return self.about(0.2)

    def stars(self) -> int | None:
        return self.rng.randint(1, 5)

    def second_stars(self, stars: int) -> int | None:
        return self.rng.choice((stars, stars % 5 + 1))


class Fickle(Steady):
    """The first driver gives the trip back, and the second rider has no patience."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Counter[str]()

    def gives_back(self) -> bool:
        self.asked["driver"] += 1
        return self.asked["driver"] == 1

    def patience_s(self) -> float | None:
        self.asked["rider"] += 1
        return 0.0 if self.asked["rider"] == 2 else None


def options(url: str, **changes: Any) -> Options:
    values: dict[str, Any] = {
        "riders": 4,
        "drivers": 4,
        "city": CITY,
        "requests_per_minute": 1_000.0,
        "report_every_s": 0.25,
        "speed_up": SPEED_UP,
        "seed": 1,
    }
    return Options(url, **(values | changes))


class Running:
    """A running simulation, and its result after it was stopped."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.task = asyncio.create_task(simulation.run())

    def some(self, **wanted: object) -> bool:
        """Whether there is such a trip now."""
        assert not self.task.done() or self.task.result()
        return any(
            all(getattr(record, name) == value for name, value in wanted.items())
            for record in self.simulation.ledger.trips.values()
        )

    @property
    def records(self) -> list[Record]:
        return list(self.simulation.ledger.trips.values())

    async def stopped(self) -> Summary:
        self.simulation.stop()
        return await self.task


@asynccontextmanager
async def running(simulation: Simulation) -> AsyncIterator[Running]:
    under_way = Running(simulation)
    try:
        yield under_way
    finally:
        under_way.task.cancel()
        await asyncio.wait({under_way.task})


def assert_adds_up(summary: Summary) -> None:
    assert summary.requests == summary.accepted + summary.cancelled + summary.expired + summary.open
    ended = summary.completed + summary.called_off + summary.no_shows + summary.left
    assert summary.accepted == ended + summary.under_way + summary.given_back
    assert summary.holds


@ONE_BACKEND
async def test_people_request_accept_drive_and_cancel(live_server: LiveServer) -> None:
    simulation = Simulation(options(live_server.url), habits=Fickle())
    async with running(simulation) as city:
        await until(lambda: any(r.status == "COMPLETED" and r.positions_seen for r in city.records))
        await until(lambda: city.some(status="CANCELLED"))
        # Given back by one driver, and accepted by another.
        await until(lambda: any(len(record.accepted_by) == 2 for record in city.records))
        summary = await city.stopped()
    assert_adds_up(summary)
    assert summary.completed > 0
    assert summary.cancelled + summary.called_off == 1
    assert summary.time_to_accept.p50_ms is not None
    assert summary.offers > 0
    assert summary.withdrawn["TAKEN"] > 0
    assert summary.positions > 0
    assert summary.positions_seen > 0
    assert summary.errors == {}
    assert summary.reconnects == 0


async def test_riders_do_not_come_drivers_take_breaks_phones_die_and_both_rate(settings: Settings) -> None:
    # Shorter than the settings allow: nobody waits here.
    short = settings.model_copy(update={"no_show_wait_s": 1, "silent_driver_s": 1, "pick_up_pin": True})
    async with serving(short) as server:
        simulation = Simulation(options(server.url, report_every_s=0.4), habits=Unlucky())
        async with running(simulation) as city:
            await until(lambda: city.some(status="CANCELLED", cancel_code="NO_SHOW"))
            await until(lambda: city.some(status="CANCELLED", was_in_car=True))
            await until(lambda: simulation.counts.breaks > 3 and simulation.counts.breaks_on_trips > 0)
            await until(lambda: simulation.counts.ratings > 3)
            summary = await city.stopped()
    assert_adds_up(summary)
    assert (summary.no_shows, summary.left, summary.dead_phones) == (1, 1, 1)
    assert summary.arrivals > 0
    assert summary.estimates > 0
    assert summary.answers["TOO_EARLY"] > 0
    assert summary.answers["WRONG_PIN"] > 0
    assert summary.errors == {}
    assert summary.reconnects == 0


@ONE_BACKEND
async def test_drivers_wait_until_staff_approve_them(settings: Settings) -> None:
    strict = settings.model_copy(update={"driver_approval": True, "vehicle_required": True})
    async with serving(strict) as server, people(server) as person:
        application, boss = server.application, await person("RIDER")
        await application.database.fetch("UPDATE users SET is_staff = TRUE WHERE id = $1", UUID(boss.user["id"]))
        (token,) = boss.http.cookies.values()
        actor = await application.services.sessions.actor_of(token)
        assert actor is not None
        simulation = Simulation(options(server.url), habits=Steady())
        async with running(simulation) as city:
            await until(lambda: simulation.progress().phase is Phase.WAITING)
            assert simulation.progress().unapproved == 4
            waiting = await application.database.fetch("SELECT id FROM users WHERE approval = 'WAITING'")
            for driver in waiting[:3]:
                await application.approvals.approve(StaffMember(actor), driver_id=UUID(str(driver["id"])))
            await until(lambda: city.some(status="COMPLETED"))
            assert simulation.progress().unapproved == 1
            summary = await city.stopped()
    assert_adds_up(summary)
    refused = str(waiting[3]["id"])
    assert not any(refused in drivers for record in city.records for drivers in record.accepted_by.values())


@ONE_BACKEND
async def test_nobody_is_left_waiting_and_no_socket_is_left_open(live_server: LiveServer) -> None:
    simulation = Simulation(options(live_server.url), habits=Steady())
    async with running(simulation) as city:
        await until(lambda: city.some(status="IN_PROGRESS") and city.some(status="STARTED"))
        summary = await city.stopped()
    assert summary.under_way > 0
    await until(lambda: not live_server.asgi.sockets.sockets)
    rows = await live_server.application.database.fetch("SELECT DISTINCT status FROM trips")
    assert {row["status"] for row in rows} <= {"COMPLETED", "CANCELLED"}


@pytest.mark.parametrize("backend", ["production"], indirect=True)
async def test_after_a_network_failure_everybody_continues(live_server: LiveServer) -> None:
    async with web_link(live_server.url) as link:
        simulation = Simulation(options(link.url), habits=Steady())
        async with running(simulation) as city:
            await until(lambda: city.some(status="COMPLETED"))
            await link.cut()
            await until(lambda: simulation.counts.errors)
            # They keep trying what they were about to do.
            completed = simulation.summary().completed
            await link.restore()
            await until(lambda: simulation.counts.reconnects == 8)
            await until(lambda: simulation.summary().completed > completed)
            summary = await city.stopped()
    assert_adds_up(summary)


@ONE_BACKEND
async def test_it_ends_when_its_time_is_over(live_server: LiveServer) -> None:
    simulation = Simulation(options(live_server.url, seconds=0.5), habits=Steady())
    summary = await simulation.run()
    # It ends by itself. On a busy machine nobody may have requested anything yet.
    assert summary.seconds >= 0.4
    assert_adds_up(summary)
    assert simulation.progress().phase is Phase.ENDING


@ONE_BACKEND
async def test_a_simulation_stopped_during_the_sign_ups_has_a_summary_too(live_server: LiveServer) -> None:
    simulation = Simulation(options(live_server.url, drivers=1_000))
    async with running(simulation) as city:
        await until(lambda: simulation.progress().signed_up > 0)
        assert simulation.progress().phase is Phase.SIGNING_UP
        assert (await city.stopped()).requests == 0


@ONE_BACKEND
async def test_a_server_that_signs_nobody_up_says_why(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"photo_required": True})) as server:
        with pytest.raises(SignUpFailed, match="photo"):
            await Simulation(options(server.url)).run()


async def test_without_a_server_there_is_no_simulation() -> None:
    with pytest.raises(NoTaxirank, match="nothing answers"):
        await Simulation(options("http://127.0.0.1:1")).run()
