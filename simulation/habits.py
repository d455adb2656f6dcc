"""The behaviour of simulated people: speeds, delays, and how often something goes wrong."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

_SPEED_KMH = (22.0, 38.0)
_REACTION_S = (1.0, 3.0)
# A distant driver waits longer, so that a nearer one can accept first.
_RELUCTANCE_MPS = 500.0
_BOARDING_S = (10.0, 30.0)
_MISTYPING_SHARE = 0.1
_GIVE_BACK_SHARE = 0.05
_CANCEL_SHARE = 0.08
_PATIENCE_S = (5.0, 150.0)
_RIDE_M = (800.0, 2_400.0)
_UNTIL_BREAK_S = (60.0, 1_800.0)
_BREAK_S = (60.0, 300.0)
_OVERTIME_SHARE = 0.5
_NO_SHOW_SHARE = 0.05
_DEAD_PHONE_SHARE = 0.03
_PHONE_DEAD_S = (300.0, 1_800.0)
_IMPATIENT_SHARE = 0.3
_RATING_SHARE = 0.8
_STARS = (5, 5, 5, 5, 4, 4, 4, 3, 2, 1)
_SECOND_RATING_SHARE = 0.2
_CODES = ("CHANGED_PLANS", "WRONG_ADDRESS", "DRIVER_TOO_FAR", "SAFETY", "OTHER")

T = TypeVar("T")


class Habits:
    """Random values for the behaviour of all people. ``speed_up`` divides all times."""

    def __init__(self, rng: Random, *, speed_up: float) -> None:
        self.rng = rng
        self._speed_up = speed_up

    def speed_mps(self) -> float:
        """The average speed of a car along a straight line."""
        return self.rng.uniform(*_SPEED_KMH) / 3.6 * self._speed_up

    def reaction_s(self, distance_m: float) -> float:
        """How long a driver takes to accept an offer at this distance."""
        return (self.rng.uniform(*_REACTION_S) + distance_m / _RELUCTANCE_MPS) / self._speed_up

    def boarding_s(self) -> float:
        """How long a rider takes to get into the car."""
        return self.rng.uniform(*_BOARDING_S) / self._speed_up

    def comes(self) -> bool:
        """Whether a rider comes to the car."""
        return self.rng.random() >= _NO_SHOW_SHARE

    def mistypes(self) -> bool:
        """Whether a driver types a wrong PIN first."""
        return self.rng.random() < _MISTYPING_SHARE

    def gives_back(self) -> bool:
        """Whether a driver gives the trip back on the way to the rider."""
        return self.rng.random() < _GIVE_BACK_SHARE

    def patience_s(self) -> float | None:
        """After how long a rider cancels the trip; None: never."""
        if self.rng.random() >= _CANCEL_SHARE:
            return None
        return self.rng.uniform(*_PATIENCE_S) / self._speed_up

    def cancel_code(self) -> str:
        """Why a rider cancels, or a driver gives back."""
        return self.rng.choice(_CODES)

    def until_break_s(self) -> float:
        """How long a driver is on duty."""
        return self.rng.uniform(*_UNTIL_BREAK_S) / self._speed_up

    def break_s(self) -> float:
        """How long a driver is off duty."""
        return self.rng.uniform(*_BREAK_S) / self._speed_up

    def works_overtime(self) -> bool:
        """Whether a driver who has just gone off duty still tries to take a trip."""
        return self.rng.random() < _OVERTIME_SHARE

    def phone_dies(self) -> bool:
        """Whether the driver's phone dies during a ride."""
        return self.rng.random() < _DEAD_PHONE_SHARE

    def phone_dead_s(self) -> float:
        """How long a dead phone stays off."""
        return self.rng.uniform(*_PHONE_DEAD_S) / self._speed_up

    def obeys_s(self, seconds: float) -> float:
        """After how long somebody tries again who is told to wait; some try too early."""
        return seconds * self.rng.random() if self.rng.random() < _IMPATIENT_SHARE else seconds

    def stars(self) -> int | None:
        """What somebody gives after a ride; None: nothing."""
        return self.rng.choice(_STARS) if self.rng.random() < _RATING_SHARE else None

    def second_stars(self, stars: int) -> int | None:
        """What somebody gives for the same ride again: the same, or other stars; None: nothing."""
        if self.rng.random() >= _SECOND_RATING_SHARE:
            return None
        return self.rng.choice((stars, stars % 5 + 1))

    def ride_m(self, radius_m: float) -> float:
        """The length of a ride in a city of that radius."""
        shortest, longest = (min(length, radius_m / 2) for length in _RIDE_M)
        return self.rng.uniform(shortest, longest)

    def until_next_request_s(self, per_minute: float) -> float:
        """The time until the next request of any rider: a Poisson process."""
        return self.rng.expovariate(per_minute / 60)

    def about(self, seconds: float) -> float:
        """A random time around ``seconds``, so that people do not act at the same moment."""
        return seconds * self.rng.uniform(0.8, 1.2)

    def one_of(self, things: Sequence[T]) -> T:
        """A random element."""
        return self.rng.choice(things)
