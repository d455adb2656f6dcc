"""Ways to bring the drivers of a town to processes, and how many processes a request then wakes."""

import bisect
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from models.geo import GeoPoint
from services.live.offer_area import Area
from services.positions.cells import cell_of, cells_of

# What a server gets on the ring of nginx, for its weight of one.
POINTS = 160


def in_turn(people: Sequence[GeoPoint], processes: int) -> Sequence[int]:
    """The process of each driver, if nobody says where they are."""
    return [n % processes for n in range(len(people))]


def by_hash(people: Sequence[GeoPoint], processes: int) -> Sequence[int]:
    """The process of each driver, by a consistent hash of the cell."""
    ring = sorted((_hash(f"{process}-{n}"), process) for process in range(processes) for n in range(POINTS))
    points = [point for point, _ in ring]
    return [ring[bisect.bisect(points, _hash(f"{cell_of(each):x}")) % len(ring)][1] for each in people]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


def divided(requests: Sequence[GeoPoint], processes: int) -> Mapping[int, int]:
    """The process of each cell, as ``deploy/haproxy/areas.sql`` divides a town with these requests."""
    counts, seen, found = Counter(map(cell_of, requests)), 0, dict[int, int]()
    for cell in sorted(counts):
        found[cell] = int((seen + counts[cell] / 2) / len(requests) * processes)
        seen += counts[cell]
    return found


def share(where: Sequence[int], processes: int) -> float:
    """How many drivers the process with the most has, as a multiple of the average."""
    return max(Counter(where).values()) * processes / len(where)


def woken(
    people: Sequence[GeoPoint], where: Sequence[int], requests: Sequence[GeoPoint], *, radius_m: float
) -> float:
    """How many processes a request wakes. ``where``: the process of each driver."""
    by_cell, point_in = defaultdict[int, set[int]](set), dict[int, GeoPoint]()
    for point, process in zip(people, where, strict=True):
        by_cell[cell_of(point)].add(process)
        point_in[cell_of(point)] = point
    listening = defaultdict[int, set[int]](set)
    for cell, processes in by_cell.items():
        for listened in Area.around(point_in[cell], radius_m).cells:
            listening[listened] |= processes
    heard = [set[int]().union(*(listening[cell] for cell in cells_of(place))) for place in requests]
    return sum(map(len, heard)) / len(heard)
