"""Riders, drivers, subscriptions and reconnects in any order: all clients always show a simple model's state."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from application.settings import Settings
from services.staff.staff import StaffMember
from services.trips.faults import IllegalTransition
from tests.conftest import serving
from tests.support.api import Api
from tests.support.checking_clients import OPEN, CheckingClient, MyTripsView, PoolView, Row, TripView, View
from tests.support.database_rows import add_rider, set_staff
from tests.support.processes import WITHOUT_LIMITS
from tests.support.waiting import until

T = TypeVar("T")

REPORT_ARRIVAL = "mutation ($id: ID!) { reportArrival(tripId: $id) { trip { version } errors { code } } }"

RIDERS, DRIVERS = 2, 3
STEPS = {"STARTED": OPEN, "IN_PROGRESS": "STARTED", "COMPLETED": "IN_PROGRESS", OPEN: "STARTED"}
DRIVING = frozenset({"STARTED", "IN_PROGRESS"})
MAX_TRIPS = 8


class Machine(RuleBasedStateMachine):
    """An embedded server, five people, and the model: a row for each trip."""

    trips = Bundle("trips")
    checkers = Bundle("checkers")

    def __init__(self, template: Path) -> None:
        super().__init__()
        self.model: dict[str, Row] = {}
        self.watching: list[CheckingClient] = []
        # Trips whose driver has arrived.
        self.arrived: set[str] = set()
        self.clock = 0
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory(prefix="taxirank-stateful-")
        self.run(self._start(template))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the server run until the work is done."""
        return self.runner.run(work)

    async def _start(self, template: Path) -> None:
        folder = Path(self.folder.name)
        database = shutil.copy(template, folder / "taxirank.sqlite3")
        configured = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue]
            database_url=f"sqlite://{database}",
            media_url=str(folder / "media"),
            password_hash_memory_kib=1024,
            port=0,
            # A driver who has arrived has waited long enough.
            no_show_wait_s=0,
            **WITHOUT_LIMITS,  # pyright: ignore[reportArgumentType]
        )
        self.server = await self.stack.enter_async_context(serving(configured))
        roles = ["RIDER"] * RIDERS + ["DRIVER"] * DRIVERS
        people = [await self.stack.enter_async_context(Api(self.server.url)) for _ in roles]
        for api, role in zip(people, roles, strict=True):
            await api.sign_up(role)
        self.riders, self.drivers = people[:RIDERS], people[RIDERS:]
        member = await add_rider(self.server.application.database)
        await set_staff(self.server.application.database, member.id)
        self.member = StaffMember(member)

    def teardown(self) -> None:
        async def stop() -> None:
            for checker in self.watching:
                await checker.stop()
            await self.stack.aclose()

        self.run(stop())
        self.runner.close()
        self.folder.cleanup()

    # What people do

    @precondition(lambda self: len(self.model) < MAX_TRIPS)
    @rule(target=trips, rider=st.integers(0, RIDERS - 1))
    def request(self, rider: int) -> str:
        trip = self.run(self.riders[rider].create_trip())
        self._commit(trip["id"], version=1, status=OPEN, rider_id=self.riders[rider].user["id"])
        return trip["id"]

    @rule(rider=st.integers(0, RIDERS - 1), trip_id=trips)
    def cancel(self, rider: int, trip_id: str) -> None:
        row, user_id = self.model[trip_id], self.riders[rider].user["id"]
        allowed = row.rider_id == user_id and row.status in (OPEN, "STARTED")
        self._ask(self.riders[rider], trip_id, "CANCELLED", allowed=allowed)

    @rule(driver=st.integers(0, DRIVERS - 1), trip_id=trips)
    def arrive(self, driver: int, trip_id: str) -> None:
        api, row = self.drivers[driver], self.model[trip_id]
        is_new = trip_id not in self.arrived and self._may_step(api, trip_id, "IN_PROGRESS")
        payload = self.run(api.data(REPORT_ARRIVAL, id=trip_id))
        if is_new:
            assert payload["errors"] == []
            self.arrived.add(trip_id)
            self._change(row, status=row.status)
        else:
            assert payload["errors"] or payload["trip"]["version"] == row.version

    @rule(driver=st.integers(0, DRIVERS - 1), trip_id=trips)
    def wait_in_vain(self, driver: int, trip_id: str) -> None:
        api = self.drivers[driver]
        has_waited = trip_id in self.arrived and self._may_step(api, trip_id, "IN_PROGRESS")
        self._ask(api, trip_id, "CANCELLED", allowed=has_waited)

    @rule(trip_id=trips, status=st.sampled_from(["COMPLETED", "CANCELLED"]))
    def end_by_staff(self, trip_id: str, status: str) -> None:
        row, staff = self.model[trip_id], self.server.application.staff
        end = staff.complete_trip if status == "COMPLETED" else staff.cancel_trip
        allowed = row.status in DRIVING or (row.status == OPEN and status == "CANCELLED")
        try:
            self.run(end(self.member, trip_id=UUID(trip_id), reason="x"))
        except IllegalTransition:
            assert not allowed
            return
        assert allowed
        self._change(row, status=status)

    @rule(driver=st.integers(0, DRIVERS - 1), trip_id=trips, status=st.sampled_from(sorted(STEPS)))
    def drive(self, driver: int, trip_id: str, status: str) -> None:
        api = self.drivers[driver]
        allowed = self._may_accept(api, trip_id) if status == "STARTED" else self._may_step(api, trip_id, status)
        self._ask(api, trip_id, status, allowed=allowed)

    @rule(trip_id=trips)
    def race(self, trip_id: str) -> None:
        """All drivers accept simultaneously: one of those who may gets the trip."""
        able = [api for api in self.drivers if self._may_accept(api, trip_id)]
        row = self.model[trip_id]

        async def ask() -> list[dict[str, Any]]:
            return await asyncio.gather(*(api.try_update_trip(trip_id, "STARTED") for api in self.drivers))

        payloads = self.run(ask())
        won = [
            api
            for api, payload in zip(self.drivers, payloads, strict=True)
            if not payload["errors"] and payload["trip"]["version"] > row.version
        ]
        assert len(won) == min(len(able), 1)
        for api in won:
            assert api in able
            self._commit(
                trip_id,
                version=row.version + 1,
                status="STARTED",
                rider_id=row.rider_id,
                driver_id=api.user["id"],
                given_back_by=row.given_back_by,
            )

    def _may_accept(self, driver: Api, trip_id: str) -> bool:
        row, user_id = self.model[trip_id], driver.user["id"]
        is_busy = any(r.driver_id == user_id and r.status in DRIVING for r in self.model.values())
        return row.status == OPEN and user_id not in row.given_back_by and not is_busy

    def _may_step(self, driver: Api, trip_id: str, status: str) -> bool:
        row = self.model[trip_id]
        return row.driver_id == driver.user["id"] and row.status == STEPS[status]

    def _ask(self, api: Api, trip_id: str, status: str, *, allowed: bool) -> None:
        payload = self.run(api.try_update_trip(trip_id, status))
        row, user_id = self.model[trip_id], api.user["id"]
        if not allowed:
            # Refused; or a repeated change, which changes nothing.
            assert payload["errors"] or (payload["trip"]["version"], payload["trip"]["status"]) == (
                row.version,
                status,
            )
            return
        assert payload["errors"] == []
        gives_back = status == OPEN
        if gives_back:
            self.arrived.discard(trip_id)
        self._commit(
            trip_id,
            version=row.version + 1,
            status=status,
            rider_id=row.rider_id,
            driver_id=user_id if status == "STARTED" else None if gives_back else row.driver_id,
            given_back_by=row.given_back_by + (f"{user_id} " if gives_back else ""),
        )
        shown = payload["trip"]
        # A driver who gave a trip back no longer sees it.
        if shown is not None:
            assert (shown["version"], shown["status"]) == (row.version + 1, status)

    def _change(self, row: Row, *, status: str) -> None:
        """The next version, with the same driver."""
        self._commit(
            row.id,
            version=row.version + 1,
            status=status,
            rider_id=row.rider_id,
            driver_id=row.driver_id,
            given_back_by=row.given_back_by,
        )

    def _commit(
        self,
        trip_id: str,
        *,
        version: int,
        status: str,
        rider_id: str,
        driver_id: str | None = None,
        given_back_by: str = "",
    ) -> None:
        self.clock += 1
        self.model[trip_id] = Row(trip_id, version, status, rider_id, driver_id, given_back_by, self.clock)

    # Who watches

    @precondition(lambda self: len(self.watching) < 6)
    @rule(target=checkers, person=st.integers(0, RIDERS + DRIVERS - 1))
    def watch(self, person: int) -> CheckingClient:
        api = (self.riders + self.drivers)[person]
        views: list[View] = [MyTripsView(api.user["id"])]
        if api in self.drivers:
            views.append(PoolView(api.user["id"]))
        checker = CheckingClient(api, [self.server.url], *views, rng=random.Random(person))
        self.watching.append(checker)

        async def start() -> None:
            checker.start()

        self.run(start())
        return checker

    @rule(checker=checkers, trip_id=trips)
    def watch_a_trip(self, checker: CheckingClient, trip_id: str) -> None:
        user_id, row = checker.user_id, self.model[trip_id]
        is_driver = any(user_id == api.user["id"] for api in self.drivers)
        view = TripView(trip_id, user_id)
        self.run(checker.watch(view))
        is_visible = user_id in (row.rider_id, row.driver_id) or (
            is_driver and row.status == OPEN and user_id not in row.given_back_by
        )
        self.run(until(lambda: view.shown is not None or view.is_lost))
        assert view.is_lost == (not is_visible)

    @rule(checker=checkers)
    def cut(self, checker: CheckingClient) -> None:
        async def cut() -> None:
            checker.cut()

        self.run(cut())

    @rule(checker=consumes(checkers))
    def leave(self, checker: CheckingClient) -> None:
        self.watching.remove(checker)
        self.run(checker.stop())

    # What holds

    @invariant()
    def everybody_shows_what_the_model_says(self) -> None:
        self.run(self._shown())

    async def _shown(self) -> None:
        found: list[str] = []

        def all_show_it() -> bool:
            found[:] = [d for checker in self.watching for d in checker.differences(self.model)]
            return not found

        try:
            await until(all_show_it)
        except TimeoutError:
            raise AssertionError(f"not shown: {found}") from None
        broken = [fault for checker in self.watching for fault in checker.broken_promises()]
        assert not broken, broken


def test_everybody_shows_the_models_state_after_every_step(sqlite_template: Path) -> None:
    run_state_machine_as_test(
        lambda: Machine(sqlite_template),
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
