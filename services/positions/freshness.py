"""When a position becomes stale, and when it is deleted."""

from datetime import UTC, datetime
from enum import Enum

from models.frozen import frozen
from models.values import Location


class Freshness(Enum):
    """The state of a position by its age."""

    LIVE = "live"
    STALE = "stale"
    GONE = "gone"


@frozen
class Lifetime:
    """A position is stale ``stale_s`` seconds after it was measured, and gone after ``ttl_s``."""

    stale_s: float
    ttl_s: float

    def freshness(self, location: Location) -> Freshness:
        """The freshness of the position now."""
        age_s = _age_s(location)
        if age_s >= self.ttl_s:
            return Freshness.GONE
        return Freshness.STALE if age_s >= self.stale_s else Freshness.LIVE

    def changes_in_s(self, location: Location) -> float | None:
        """The seconds until the freshness changes; None: it is gone."""
        age_s = _age_s(location)
        return next((at_s - age_s for at_s in sorted((self.stale_s, self.ttl_s)) if at_s > age_s), None)


def _age_s(location: Location) -> float:
    return (datetime.now(UTC) - location.recorded_at).total_seconds()
