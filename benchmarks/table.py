"""Prints the results in a terminal."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.measures import FAULTS, LOAD_SHARE, MAX_LOAD_SHARE, MEASURES, Figures
from benchmarks.target import Target

Results = Mapping[str, Mapping[str, Figures]]


def table(targets: Sequence[Target], results: Results) -> Iterator[str]:
    """The lines of a table with a row for each figure and a column for each target."""
    for column, target in enumerate(targets, 1):
        yield f"  {column}: {target.label}"
    yield f"{'':65}" + "".join(f"{column:>12}" for column in range(1, len(targets) + 1))
    workload = ""
    for measure in MEASURES:
        values = [results.get(t.name, {}).get(measure.workload, {}).get(measure.key) for t in targets]
        if all(value is None for value in values):
            continue
        first = measure.workload if measure.workload != workload else ""
        workload = measure.workload
        label = f"{first:10} {measure.label}, {measure.unit}"
        yield f"{label:65}" + "".join(f"{number(value):>12}" for value in values)
    yield from warnings(results)


def warnings(results: Results) -> Iterator[str]:
    """Warnings about figures that may be wrong."""
    for target, workloads in results.items():
        for workload, figures in workloads.items():
            for fault in FAULTS:
                if figures.get(fault):
                    yield f"WARNING: {target}, {workload}: {figures[fault]:.0f} {fault}"
            if (share := figures.get(LOAD_SHARE, 0)) > MAX_LOAD_SHARE:
                yield f"WARNING: {target}, {workload}: the load generator used {share:.0%} of its core"


def number(value: float | None) -> str:
    """A figure with three significant digits; a dash where it was not measured."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"
