"""The H3 cells in which requests are published, and the cells that cover a circle.

Cells have two sizes, so that a circle of any radius needs only a few dozen. A request is published in its two
cells; a driver listens to the cells of one size that can contain a point within reach.
"""

import sys
from functools import lru_cache

import h3.api.basic_int as h3

from models.geo import GeoPoint, distance_m
from services.runtime.memory_cache import MemoryCache

# Edges of about 1.4 km and 9.9 km.
FINE, COARSE = 7, 5
_BLUR = 8
# No point is farther from the centre of its cell of that size.
BLUR_M = 800.0
# A larger circle would need too many fine cells.
MAX_FINE_RADIUS_M = 5_000.0
# The border of a cell curves outwards a little between its corners.
_MARGIN = 1.01
# Drivers may be anywhere on the globe, so the caches are bounded by their memory. 2,500 small circles, and 50 of
# the largest in fine cells, are enough for a metropolis.
CACHED_BYTES = 8_000_000
CACHED_FINE_BYTES = 16_000_000
_INT_BYTES = 32


def cell_of(point: GeoPoint) -> int:
    """The fine cell of a point, as a trip's row has it."""
    return h3.latlng_to_cell(point.lat, point.lng, FINE)


def blurred(point: GeoPoint) -> GeoPoint:
    """The centre of the point's cell with edges of about 500 m."""
    return _center(h3.latlng_to_cell(point.lat, point.lng, _BLUR))


def cells_of(point: GeoPoint) -> tuple[int, int]:
    """The cells on whose topics a request at that point is published."""
    fine = cell_of(point)
    return fine, h3.cell_to_parent(fine, COARSE)


def covering(center: GeoPoint, radius_m: float, *, size: int) -> frozenset[int]:
    """The cells of that size that contain all points within the radius, and more. Equal for all centres in one
    cell.
    """
    return _cover(_cell(center, size), radius_m)


def _cell(point: GeoPoint, size: int) -> int:
    # A fine cell is not completely inside its parent; requests are published in the parent of the fine cell.
    fine = cell_of(point)
    return fine if size == FINE else h3.cell_to_parent(fine, size)


_covers = MemoryCache[tuple[int, float], frozenset[int]](CACHED_BYTES)
_fine_cells = MemoryCache[frozenset[int], frozenset[int]](CACHED_FINE_BYTES)


def _cover(cell: int, radius_m: float) -> frozenset[int]:
    """The cells with a point that is within the radius of any point of ``cell``."""
    covered = _covers.get((cell, radius_m))
    if covered is None:
        covered = _search(cell, radius_m)
        _covers.put((cell, radius_m), covered, _bytes_of(covered))
    return covered


def _search(cell: int, radius_m: float) -> frozenset[int]:
    """The cells that touch a circle are connected, so it searches the rings around the cell until one has none."""
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
    """The largest distance between the cell's centre and a point with this cell (or with this parent of its fine
    cell).
    """
    center = _center(cell)
    corners = max(distance_m(center, GeoPoint(*corner)) for corner in h3.cell_to_boundary(cell))
    if h3.get_resolution(cell) == FINE:
        return corners * _MARGIN
    # Its fine cells extend beyond it by up to their own size.
    return corners * _MARGIN + _extent_m(h3.cell_to_center_child(cell, FINE)) * 2


def to_fine_cells(cells: frozenset[int]) -> frozenset[int]:
    """The same cells in the size that rows have."""
    if h3.get_resolution(next(iter(cells))) == FINE:
        return cells
    fine = _fine_cells.get(cells)
    if fine is None:
        fine = frozenset(child for cell in cells for child in h3.cell_to_children(cell, FINE))
        _fine_cells.put(cells, fine, _bytes_of(fine) + _bytes_of(cells))
    return fine


def _bytes_of(cells: frozenset[int]) -> int:
    return sys.getsizeof(cells) + _INT_BYTES * len(cells)
