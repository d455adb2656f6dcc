"""How far a simulation is."""

from dataclasses import dataclass
from enum import StrEnum

from simulation.summary import Summary


class Phase(StrEnum):
    """The phase of a simulation."""

    CALLING = "calling the server"
    SIGNING_UP = "signing up"
    CONNECTING = "connecting"
    WAITING = "waiting for approval"
    DRIVING = "driving"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a simulation. ``unapproved``: how many drivers wait until staff approve them."""

    phase: Phase
    signed_up: int
    people: int
    unapproved: int
    seconds_left: float
    summary: Summary
