"""Runs a simulation: signs people up, lets them drive, and ends their trips."""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from random import Random
from typing import Any, TypeVar

import httpx

from simulation import operations
from simulation.accounts import Account, Registration
from simulation.car import Car
from simulation.client import Client, Failed, http_client
from simulation.counts import Counts
from simulation.driver import Driver
from simulation.habits import Habits
from simulation.ledger import Ledger
from simulation.live_socket import LiveSocket
from simulation.meetings import Meetings
from simulation.options import CannotSimulate, Options
from simulation.progress import Phase, Progress
from simulation.ratings import Ratings
from simulation.rider import Rider
from simulation.summary import Summary, summarise

# The server hashes two passwords at once. Two more wait, so that it is never idle.
_SIGN_UPS_AT_ONCE = 4
_CONNECTING_AT_ONCE = 20
_CONNECT_TIMEOUT_S = 30.0
# Every answered change must reach the rider's subscription within this time.
_SETTLE_S = 5.0
_GO_HOME_S = 5.0
_MAX_CONNECTIONS = 100

T = TypeVar("T")


class NoTaxirank(CannotSimulate):
    """No Taxirank answers at the address."""


class Simulation:
    """Runs once. All random values come from one generator with ``options.seed``; but the network may change the
    order of events."""

    def __init__(self, options: Options, *, habits: Habits | None = None) -> None:
        self.options = options
        self.counts = Counts()
        self.ledger = Ledger()
        self.ratings = Ratings()
        self._habits = habits or Habits(Random(options.seed), speed_up=options.speed_up)
        self._stop = asyncio.Event()
        self._phase = Phase.CALLING
        self._signed_up = 0
        self._began_s: float | None = None
        self._ended_s: float | None = None
        self._http_requests_before = 0
        self._result: Summary | None = None
        self._drivers: list[Driver] = []
        self._riders: list[Rider] = []

    @property
    def is_stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End the simulation early; the result is the summary so far."""
        self._stop.set()

    async def run(self) -> Summary:
        """Sign people up, let them drive, and end their trips.

        Raises:
            NoTaxirank: nothing answers at the address, or something else does.
            SignUpFailed: the server refuses sign-ups or log-ins.
        """
        connections = min(_MAX_CONNECTIONS, self.options.riders + self.options.drivers)
        async with http_client(self.options.url, connections=connections) as http:
            await _look_for_taxirank(http, self.options.url)
            await self._unless_stopped(self._sign_up(http))
            if self.is_stopping:
                return self.summary()
            self._http_requests_before = self.counts.http_requests
            async with asyncio.TaskGroup() as tasks:
                sockets = [tasks.create_task(person.socket.run()) for person in (*self._drivers, *self._riders)]
                await self._unless_stopped(self._connect())
                await self._unless_stopped(self._drive())
                self._phase = Phase.ENDING
                # The summary leaves out the requests that compare the ratings and end the trips.
                http_requests = self._http_requests
                await self._settle()
                await self._check_ratings()
                self._result = self._summary(http_requests)
                await self._go_home()
                for socket in sockets:
                    socket.cancel()
        return self._result

    def progress(self) -> Progress:
        """The progress now."""
        people = self.options.riders + self.options.drivers
        left_s = max(0.0, self.options.seconds - self._elapsed_s)
        unapproved = sum(driver.app.is_unapproved for driver in self._drivers)
        return Progress(self._phase, self._signed_up, people, unapproved, left_s, self._result or self.summary())

    def summary(self) -> Summary:
        """The summary so far."""
        return self._summary(self._http_requests)

    def _summary(self, http_requests: int) -> Summary:
        return summarise(
            self.ledger,
            self.counts,
            wrong_ratings=self.ratings.wrong,
            seconds=self._elapsed_s,
            http_requests=http_requests,
        )

    @property
    def _http_requests(self) -> int:
        return self.counts.http_requests - self._http_requests_before if self._began_s is not None else 0

    @property
    def _elapsed_s(self) -> float:
        if self._began_s is None:
            return 0.0
        return (self._ended_s or self.ledger.clock()) - self._began_s

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; cancel it when ``stop`` is called."""
        task, stopped = asyncio.create_task(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.result()

    async def _sign_up(self, http: httpx.AsyncClient) -> None:
        self._phase = Phase.SIGNING_UP

        def count() -> None:
            self._signed_up += 1

        registration = Registration(http, self.counts, self._habits, count)
        places = asyncio.Semaphore(_SIGN_UPS_AT_ONCE)

        async def sign_up(role: str, number: int) -> Account:
            async with places:
                return await registration.sign_up(role, number)

        roles = ["DRIVER"] * self.options.drivers + ["RIDER"] * self.options.riders
        accounts = await _all(sign_up(role, number) for number, role in enumerate(roles, 1))
        self._create_people(http, accounts[: self.options.drivers], accounts[self.options.drivers :])

    def _create_people(self, http: httpx.AsyncClient, drivers: list[Account], riders: list[Account]) -> None:
        """Create a client and a socket for each account, and a car for each driver."""
        options, habits = self.options, self._habits
        gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)

        def client(account: Account) -> Client:
            return Client(http, self.counts, account.token)

        def socket(account: Account) -> LiveSocket:
            return LiveSocket(options.url, account.token, self.counts, habits.rng, gate=gate)

        meetings = Meetings()
        self.ratings.begin({account.id for account in (*drivers, *riders)})
        self._drivers = [
            Driver(
                account.id,
                client(account),
                socket(account),
                Car(options.city, habits.rng, speed_mps=habits.speed_mps()),
                habits,
                ledger=self.ledger,
                ratings=self.ratings,
                meetings=meetings,
                counts=self.counts,
                report_every_s=options.report_every_s,
            )
            for account in drivers
        ]
        self._riders = [
            Rider(
                account.id,
                client(account),
                socket(account),
                options.city,
                habits,
                ledger=self.ledger,
                ratings=self.ratings,
                meetings=meetings,
                counts=self.counts,
            )
            for account in riders
        ]

    async def _connect(self) -> None:
        self._phase = Phase.CONNECTING
        for person in (*self._drivers, *self._riders):
            await person.arrive()
        # Start without those who have not connected in time; they join later.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await _all(person.socket.live.wait() for person in (*self._drivers, *self._riders))
                await _all(driver.app.has_pool() for driver in self._drivers)
        # The run begins with the first driver whom staff approve; the others join later.
        self._phase = Phase.WAITING
        await _first(driver.app.approved() for driver in self._drivers)

    async def _drive(self) -> None:
        self._phase = Phase.DRIVING
        self._began_s = self.ledger.clock()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.options.seconds), asyncio.TaskGroup() as lives:
                    for driver in self._drivers:
                        lives.create_task(driver.live())
                    await self._request_trips(lives)
        finally:
            self._ended_s = self.ledger.clock()

    async def _request_trips(self, lives: asyncio.TaskGroup) -> None:
        """Let a free rider request a trip at random intervals."""
        while True:
            await asyncio.sleep(self._habits.until_next_request_s(self.options.requests_per_minute))
            free = [rider for rider in self._riders if rider.is_free]
            if free:
                lives.create_task(self._habits.one_of(free).ride())
            else:
                self.counts.requests_skipped += 1

    async def _settle(self) -> None:
        """Wait until every answered change has reached its rider's subscription, and every pool its driver's."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                await self.ledger.settled()
                for driver in self._drivers:
                    await driver.pause_gets_right()
        self.ledger.paused_wrongly += sum(not driver.pause_is_right for driver in self._drivers)

    async def _check_ratings(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                await _all(person.check_rating() for person in (*self._drivers, *self._riders))

    async def _go_home(self) -> None:
        """End all trips: no open request remains, and no rider waits for a car."""

        async def leave(person: Driver | Rider) -> None:
            with suppress(Failed):
                await person.go_home()

        with suppress(TimeoutError):
            async with asyncio.timeout(_GO_HOME_S):
                await _all(leave(driver) for driver in self._drivers)
                await _all(leave(rider) for rider in self._riders)


async def _all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results; when one fails, the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Return when one is done; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _look_for_taxirank(http: httpx.AsyncClient, url: str) -> None:
    """Return when a Taxirank answers. Raises: NoTaxirank."""
    try:
        response = await http.post("/graphql", json={"query": operations.PROBE})
    except httpx.TransportError as error:
        raise NoTaxirank(f"{url}: nothing answers ({type(error).__name__})") from None
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.status_code == 503 and body is not None:
        raise NoTaxirank(f"{url}: the server is not ready: see {url}/readyz")
    if body != {"data": {"me": None}}:
        raise NoTaxirank(f"{url}: this is not a Taxirank server")
