"""Finds drivers without a trip by the H3 cell that they are in, within this process."""

from collections.abc import Iterator
from itertools import islice
from uuid import UUID

from models.geo import GeoPoint
from services.positions.cells import COARSE, FINE, MAX_FINE_RADIUS_M, cell_of, covering, to_fine_cells


class CellIndex:
    """The drivers in each fine cell."""

    def __init__(self) -> None:
        self._cells: dict[UUID, int] = {}
        self._drivers: dict[int, set[UUID]] = {}

    def __len__(self) -> int:
        return len(self._cells)

    def enter(self, driver_id: UUID, point: GeoPoint) -> None:
        """The driver is now at that point."""
        cell = cell_of(point)
        if self._cells.get(driver_id) != cell:
            self.leave(driver_id)
            self._cells[driver_id] = cell
            self._drivers.setdefault(cell, set()).add(driver_id)

    def leave(self, driver_id: UUID) -> None:
        """Forget the driver."""
        cell = self._cells.pop(driver_id, None)
        if cell is not None:
            drivers = self._drivers[cell]
            drivers.discard(driver_id)
            if not drivers:
                del self._drivers[cell]

    def some(self, limit: int) -> list[UUID]:
        """Up to ``limit`` drivers."""
        return list(islice(self._cells, limit))

    def around(self, center: GeoPoint, radius_m: float) -> Iterator[UUID]:
        """The drivers within the radius, and some that are farther."""
        size = FINE if radius_m <= MAX_FINE_RADIUS_M else COARSE
        for cell in to_fine_cells(covering(center, radius_m, size=size)):
            yield from self._drivers.get(cell, ())
