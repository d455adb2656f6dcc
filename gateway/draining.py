"""Whether a process is about to stop, and how gently."""

from dataclasses import dataclass

# The key of the lifespan's state.
DRAINING = "draining"


@dataclass(slots=True)
class Draining:
    """The settings of a drain, in seconds, and whether it has begun: then each answer ends its connection."""

    delay_s: float = 0.0
    drain_s: float = 0.0
    has_begun: bool = False
