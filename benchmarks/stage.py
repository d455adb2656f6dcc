"""The parameters of a workload: a running target, people, and the scale."""

from collections import Counter
from dataclasses import dataclass

from benchmarks.cores import Meter
from benchmarks.layers import Sampling
from benchmarks.people import People
from benchmarks.target import Running


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. ``sockets``: of the fan-out and the reconnect; ``seconds``: of each stretch;
    ``drivers``: how many drivers there are for the areas, ``area_seconds``: of each stretch there, and of an idle
    one; ``crowd``: the sockets of the workload of that name.
    """

    sockets: int
    drivers: int
    seconds: float
    area_seconds: float
    pairs: int
    ramp_steps: int
    crowd: int


@dataclass(frozen=True, slots=True)
class Stage:
    """The parameters of a workload. ``profiles``: a profile for each meter that is read, in order; None: none."""

    server: Running
    people: People
    scale: Scale
    profiles: list[Counter[str]] | None = None

    @property
    def port(self) -> int:
        """The server's port."""
        return self.server.port

    def meter(self) -> Meter:
        """A meter of the server that starts now."""
        profiles = self.profiles
        if profiles is None:
            return Meter(self.server.process)
        sampling = Sampling(self.server.process.pid)
        return Meter(self.server.process, lambda: profiles.append(sampling.end()))
