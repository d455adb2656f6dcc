"""Runs every workload on every target, a number of times."""

import gc
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from application.settings import load_settings
from benchmarks.areas import areas
from benchmarks.city import city
from benchmarks.crowd import crowd
from benchmarks.fan_out import fan_out
from benchmarks.hostile import HOSTILE_USERS, hostile
from benchmarks.http_requests import mutation, query
from benchmarks.measures import Figures, medians
from benchmarks.overload import overload
from benchmarks.people import People
from benchmarks.positions import positions
from benchmarks.reconnect import reconnect
from benchmarks.sizes import Sizes, measure_sizes
from benchmarks.stage import Scale, Stage
from benchmarks.target import BARE, TARGETS, TAXIRANK, UNSHARED, Target, running
from benchmarks.trip_pairs import trip_pairs


class Workload(StrEnum):
    """The workloads."""

    FAN_OUT = "fan-out"
    PAIRS = "pairs"
    QUERY = "query"
    MUTATION = "mutation"
    POSITIONS = "positions"
    RECONNECT = "reconnect"
    AREAS = "areas"
    HOSTILE = "hostile"
    CROWD = "crowd"
    CITY = "city"
    OVERLOAD = "overload"


_MEASURING: dict[Workload, Callable[[Stage], Awaitable[Figures]]] = {
    Workload.FAN_OUT: fan_out,
    Workload.PAIRS: trip_pairs,
    Workload.QUERY: query,
    Workload.MUTATION: mutation,
    Workload.POSITIONS: positions,
    Workload.RECONNECT: reconnect,
    Workload.AREAS: areas,
    Workload.HOSTILE: hostile,
    Workload.CROWD: crowd,
    Workload.CITY: city,
    Workload.OVERLOAD: overload,
}
# Workloads that say nothing about a target: in some, subscribers share nothing; the bare application has no
# drivers, areas or limits.
SKIPPED = {
    UNSHARED.name: frozenset(
        {
            Workload.QUERY,
            Workload.MUTATION,
            Workload.POSITIONS,
            Workload.AREAS,
            Workload.HOSTILE,
            Workload.CROWD,
            Workload.CITY,
            Workload.OVERLOAD,
        }
    ),
    BARE.name: frozenset(
        {Workload.POSITIONS, Workload.AREAS, Workload.HOSTILE, Workload.CROWD, Workload.CITY, Workload.OVERLOAD}
    ),
}
# Riders besides those of the pairs.
MORE_RIDERS = 20


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one measurement of one workload on one target."""

    target: str
    workload: str
    figures: Figures


class Campaign:
    """Measures and collects the figures. Every round starts each target again; every workload gets new trips."""

    def __init__(
        self,
        *,
        database_url: str,
        redis_url: str,
        folder: Path,
        scale: Scale,
        workloads: Sequence[Workload],
        has_profiles: bool = False,
    ) -> None:
        """``has_profiles``: Taxirank alone is measured, and sampled at the same time."""
        self._environment = {
            "TAXIRANK_DATABASE_URL": database_url,
            "TAXIRANK_REDIS_URL": redis_url,
            "TAXIRANK_REDIS_PREFIX": f"benchmark-{uuid.uuid4().hex[:8]}",
            "TAXIRANK_MEDIA_URL": str(folder / "media"),
            # No request may expire during a measurement.
            "TAXIRANK_REQUEST_TTL_S": "86400",
            "TAXIRANK_LOCATION_TTL_S": "86400",
            "TAXIRANK_LOCATION_RATE": "off",
            # Each user makes as many requests as the server can answer.
            "TAXIRANK_TRIP_RATE": "off",
            "TAXIRANK_SUBSCRIBE_RATE": "off",
            "TAXIRANK_OPEN_TRIPS_PER_RIDER": "off",
            # Nobody sees the pages, and building them takes time of the server's core.
            "TAXIRANK_BUILD_PAGES": "false",
        }
        self._people = People(load_settings(database_url=database_url, redis_url=redis_url))
        self._log = folder / "servers.log"
        self._scale = scale
        self._workloads = workloads
        self._sizes: Sizes | None = None
        self._targets = (TAXIRANK,) if has_profiles else TARGETS
        self._has_profiles = has_profiles
        self.runs: list[Run] = []
        # For each workload the samples of each stretch that it measures, of all rounds.
        self.profiles: dict[str, list[Counter[str]]] = {}

    async def run(self, *, rounds: int) -> None:
        """Measure everything ``rounds`` times."""
        scale = self._scale
        await self._people.arrive(
            riders=scale.pairs + MORE_RIDERS,
            drivers=max(scale.sockets, scale.pairs) + HOSTILE_USERS,
            reporters=scale.pairs,
            cruisers=scale.drivers,
            crowd=scale.crowd,
        )
        try:
            for number in range(rounds):
                # Taxirank comes first: the bare application then sends messages of the same length.
                for target in self._targets:
                    await self._measure(target, f"round {number + 1} of {rounds}, {target.name}")
        finally:
            await self._people.leave()

    async def _measure(self, target: Target, what: str) -> None:
        sizes = self._sizes if target is BARE else None
        async with running(target, environment=self._environment, sizes=sizes, log=self._log) as server:
            if target is TAXIRANK and self._sizes is None:
                self._sizes = await measure_sizes(server.port, self._people)
            for workload in self._workloads:
                if workload in SKIPPED.get(target.name, ()):
                    continue
                print(f"{what}: {workload.value}", flush=True)
                await self._people.clear_trips()
                gc.collect()
                profiles: list[Counter[str]] | None = [] if self._has_profiles else None
                figures = await _MEASURING[workload](Stage(server, self._people, self._scale, profiles))
                self.runs.append(Run(target.name, workload.value, figures))
                if profiles:
                    before = self.profiles.get(workload.value, [Counter()] * len(profiles))
                    together = [sum(both, Counter[str]()) for both in zip(before, profiles, strict=True)]
                    self.profiles[workload.value] = together

    def results(self) -> dict[str, dict[str, Figures]]:
        """The medians, by target and workload."""
        found: dict[str, dict[str, list[Figures]]] = {}
        for run in self.runs:
            found.setdefault(run.target, {}).setdefault(run.workload, []).append(run.figures)
        return {
            target: {workload: medians(figures) for workload, figures in workloads.items()}
            for target, workloads in found.items()
        }
