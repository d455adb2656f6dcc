"""Areas: the H3 cells that cover a circle.

Cells are H3's, of two sizes, so that an area of any radius is a few dozen of them. A request is told of in its two
cells; a driver hears of those of one size that can hold a point within reach.
"""

import sys
from dataclasses import dataclass
from functools import lru_cache

import h3.api.basic_int as h3

from models.geo import GeoPoint, distance_m
from services.runtime.memory import MemoryCache

# Edges of about 1.4 km and 9.9 km.
FINE, COARSE = 7, 5
# Above it, an area has too many fine cells.
MAX_FINE_RADIUS_M = 5_000.0
MAX_RADIUS_M = 50_000.0
# What is shown goes only when it is so much further away than what is new may be: the position of a phone at
# rest moves, and an offer at the border would come and go with it.
KEPT = 1.1
# A cell's border runs between its corners a little further out than the straight line.
_MARGIN = 1.01
# Drivers roam the globe: each cache is bounded by what it takes. 2,500 small areas, and 50 of the largest in fine
# cells, are more than a metropolis has.
CACHED_BYTES = 8_000_000
CACHED_FINE_BYTES = 16_000_000
_INT_BYTES = 32


def cell_of(point: GeoPoint) -> int:
    """The fine cell of a point: what a trip's row holds."""
    return h3.latlng_to_cell(point.lat, point.lng, FINE)


def cells_of(point: GeoPoint) -> tuple[int, int]:
    """The cells on whose topics a request at that point is published."""
    fine = cell_of(point)
    return fine, h3.cell_to_parent(fine, COARSE)


@dataclass(frozen=True, slots=True)
class Area:
    """All points within ``radius_m`` of ``center``; ``cells`` hold all of them, those of the margin, and more.

    Two areas of one radius whose centers share a cell have the same cells.
    """

    center: GeoPoint
    radius_m: float
    cells: frozenset[int]

    @classmethod
    def around(cls, center: GeoPoint, radius_m: float) -> "Area":
        """The area; ``radius_m`` is at most 50 km."""
        size = FINE if radius_m <= MAX_FINE_RADIUS_M else COARSE
        return cls(center, radius_m, _cover(_cell(center, size), radius_m * KEPT))

    @property
    def fine_cells(self) -> frozenset[int]:
        """The same cells in the size of the rows' cells."""
        return _fine(self.cells)

    def holds(self, point: GeoPoint) -> bool:
        """Whether the point lies within the radius."""
        return distance_m(self.center, point) <= self.radius_m

    def keeps(self, point: GeoPoint) -> bool:
        """Whether the point lies within the radius and the margin of what is shown already."""
        return distance_m(self.center, point) <= self.radius_m * KEPT


def _cell(point: GeoPoint, size: int) -> int:
    # A fine cell does not lie wholly within its parent: the parent of the cell is what requests are told of in.
    fine = cell_of(point)
    return fine if size == FINE else h3.cell_to_parent(fine, size)


_covers = MemoryCache[tuple[int, float], frozenset[int]](CACHED_BYTES)
_fine_cells = MemoryCache[frozenset[int], frozenset[int]](CACHED_FINE_BYTES)


def _cover(cell: int, radius_m: float) -> frozenset[int]:
    """The cells with any point that lies within the radius of any point of ``cell``."""
    covered = _covers.get((cell, radius_m))
    if covered is None:
        covered = _search(cell, radius_m)
        _covers.put((cell, radius_m), covered, _bytes_of(covered))
    return covered


def _search(cell: int, radius_m: float) -> frozenset[int]:
    """What an area touches hangs together, so that the rings around the cell are searched until one has none."""
    center, reach = _center(cell), radius_m + _extent_m(cell)
    covered = {cell}
    frontier = {cell}
    while frontier:
        neighbours = {n for c in frontier for n in h3.grid_disk(c, 1)} - covered
        frontier = {n for n in neighbours if distance_m(center, _center(n)) <= reach + _extent_m(n)}
        covered |= frontier
    return frozenset(covered)


@lru_cache(maxsize=8192)
def _center(cell: int) -> GeoPoint:
    return GeoPoint(*h3.cell_to_latlng(cell))


@lru_cache(maxsize=8192)
def _extent_m(cell: int) -> float:
    """How far a point whose cell (or whose fine cell's parent) this is can lie from the cell's center."""
    center = _center(cell)
    corners = max(distance_m(center, GeoPoint(*corner)) for corner in h3.cell_to_boundary(cell))
    if h3.get_resolution(cell) == FINE:
        return corners * _MARGIN
    # Its fine cells stick out by up to their own size.
    return corners * _MARGIN + _extent_m(h3.cell_to_center_child(cell, FINE)) * 2


def _fine(cells: frozenset[int]) -> frozenset[int]:
    if h3.get_resolution(next(iter(cells))) == FINE:
        return cells
    fine = _fine_cells.get(cells)
    if fine is None:
        fine = frozenset(child for cell in cells for child in h3.cell_to_children(cell, FINE))
        _fine_cells.put(cells, fine, _bytes_of(fine) + _bytes_of(cells))
    return fine


def _bytes_of(cells: frozenset[int]) -> int:
    return sys.getsizeof(cells) + _INT_BYTES * len(cells)
