"""The area around a driver within which trips are offered.

Its radius is ``TAXIRANK_OFFER_RADIUS_M``, unless the driver asks for another (``schema/api/driver_pool.py``).
"""

from models.frozen import frozen
from models.geo import GeoPoint, distance_m
from services.positions.cells import COARSE, FINE, MAX_FINE_RADIUS_M, covering, to_fine_cells

MAX_RADIUS_M = 50_000.0
# A shown offer is withdrawn only beyond this multiple of the radius. The position of a phone at rest varies, and
# an offer at the border would otherwise appear and disappear.
KEPT = 1.1


@frozen
class Area:
    """All points within ``radius_m`` of ``center``; ``cells`` contain these points, those of the margin, and more.

    Two areas with one radius whose centres share a cell have the same cells.
    """

    center: GeoPoint
    radius_m: float
    cells: frozenset[int]

    @classmethod
    def around(cls, center: GeoPoint, radius_m: float) -> "Area":
        """The area; ``radius_m`` is at most 50 km."""
        size = FINE if radius_m <= MAX_FINE_RADIUS_M else COARSE
        return cls(center, radius_m, covering(center, radius_m * KEPT, size=size))

    @property
    def fine_cells(self) -> frozenset[int]:
        """The same cells in the size that rows have."""
        return to_fine_cells(self.cells)

    def holds(self, point: GeoPoint) -> bool:
        """Whether the point lies within the radius."""
        return distance_m(self.center, point) <= self.radius_m

    def keeps(self, point: GeoPoint) -> bool:
        """Whether the point lies within the radius plus the margin for shown offers."""
        return distance_m(self.center, point) <= self.radius_m * KEPT
