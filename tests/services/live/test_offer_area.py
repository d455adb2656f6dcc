"""The cells of an area hold every point of it, everywhere on Earth, and not many more."""

import tracemalloc

import h3.api.basic_int as h3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.geo import GeoPoint
from services.live.offer_area import MAX_RADIUS_M, Area
from services.positions import cells
from services.positions.cells import MAX_FINE_RADIUS_M
from services.runtime.memory_cache import MemoryCache
from tests.support.globe import destination, vector_distance_m

PENTAGONS = [GeoPoint(*h3.cell_to_latlng(cell)) for cell in h3.get_pentagons(cells.FINE)]
CORNERS = [GeoPoint(*h3.cell_to_boundary(h3.latlng_to_cell(52.4, 4.9, cells.COARSE))[0])]
EDGES = [
    GeoPoint(90, 0),
    GeoPoint(-90, 0),
    GeoPoint(0, 180),
    GeoPoint(10, -180),
    GeoPoint(89.999, 77),
    GeoPoint(0, 0),
]

anywhere = st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))
special = st.builds(
    destination,
    st.sampled_from([*PENTAGONS, *CORNERS, *EDGES]),
    st.floats(0, 360),
    st.floats(0, 20_000),
)
points = anywhere | special
radii = (
    st.floats(1, MAX_RADIUS_M)
    | st.floats(1, MAX_FINE_RADIUS_M)
    | st.sampled_from([1.0, 5_000.0, 5_000.1, 50_000.0])
)


@settings(deadline=None, max_examples=300)
@example(GeoPoint(90, 0), 50_000.0, 0.0, 1.0)
@example(GeoPoint(0, 179.9999), 3_000.0, 90.0, 0.99)
@given(points, radii, st.floats(0, 360), st.floats(0, 1))
def test_every_point_within_the_radius_lies_in_a_cell_of_the_area(
    center: GeoPoint, radius_m: float, bearing: float, part: float
) -> None:
    area = Area.around(center, radius_m)
    point = destination(center, bearing, radius_m * part)

    assert area.cells.intersection(cells.cells_of(point))
    assert cells.cell_of(point) in area.fine_cells


@settings(deadline=None, max_examples=300)
@given(points, radii, st.floats(0, 360), st.floats(0, 3))
def test_an_area_contains_exactly_the_points_within_the_radius(
    center: GeoPoint, radius_m: float, bearing: float, part: float
) -> None:
    point = destination(center, bearing, radius_m * part)
    distance_m = vector_distance_m(center, point)
    if abs(distance_m - radius_m) > 1e-6 * radius_m + 1e-3:
        assert Area.around(center, radius_m).holds(point) == (distance_m < radius_m)


@settings(deadline=None, max_examples=100)
@given(points, radii)
def test_a_request_is_published_in_one_cell_of_each_size(center: GeoPoint, radius_m: float) -> None:
    area = Area.around(center, radius_m)
    assert len(area.cells.intersection(cells.cells_of(center))) == 1


@settings(deadline=None, max_examples=100)
@given(points, radii)
def test_an_area_is_a_few_dozen_cells(center: GeoPoint, radius_m: float) -> None:
    assert len(Area.around(center, radius_m).cells) <= 130


def test_a_driver_who_moves_within_a_cell_keeps_the_cells() -> None:
    cell = h3.latlng_to_cell(52.37, 4.9, cells.FINE)
    center = GeoPoint(*h3.cell_to_latlng(cell))
    there = destination(center, 45, 800)
    assert cells.cell_of(there) == cell
    assert Area.around(center, 3_000).cells == Area.around(there, 3_000).cells


@pytest.mark.parametrize("radius_m", [3_000.0, 20_000.0])
def test_far_away_cells_are_not_listened_to(radius_m: float) -> None:
    here = GeoPoint(52.37, 4.9)
    far = destination(here, 10, radius_m * 5 + 20_000)
    assert not Area.around(here, radius_m).cells.intersection(cells.cells_of(far))


@pytest.mark.attack("cost")
@pytest.mark.parametrize(("radius_m", "places"), [(3_000.0, 150), (MAX_RADIUS_M, 10)])
def test_areas_all_over_the_globe_are_remembered_in_bounded_memory(
    monkeypatch: pytest.MonkeyPatch, radius_m: float, places: int
) -> None:
    bound = 200_000
    for place in range(places):
        # The centres of cells are cached too, in another place.
        Area.around(GeoPoint(place / 3, place), radius_m)
    tracemalloc.start()
    try:
        monkeypatch.setattr(cells, "_covers", MemoryCache(bound))
        monkeypatch.setattr(cells, "_fine_cells", MemoryCache(3 * bound))
        for place in range(places):
            assert Area.around(GeoPoint(place / 3, place), radius_m).fine_cells
        full, _ = tracemalloc.get_traced_memory()
        monkeypatch.undo()
        taken = full - tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.7 * bound < taken < 4.4 * bound
