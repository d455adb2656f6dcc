"""Draws the chart of the results with matplotlib."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.measures import MEASURES, Measure
from benchmarks.table import Results, number
from benchmarks.target import TARGETS

_COLOURS = {"taxirank": "#1f6feb", "unshared": "#b08800", "bare": "#8c959f"}
_PANELS = (
    ("fan-out", "cpu_us"),
    ("fan-out", "max_per_s"),
    ("fan-out", "p99_ms"),
    ("fan-out", "memory_kb"),
    ("pairs", "cpu_us"),
    ("reconnect", "all_live_ms"),
)
_COLUMNS = 2


def draw(results: Results, path: Path, *, title: str) -> None:
    """Write the chart as SVG. Equal results give equal bytes."""
    with mpl.rc_context({"svg.hashsalt": "taxirank", "font.family": "DejaVu Sans", "font.size": 10}):
        rows = -(-len(_PANELS) // _COLUMNS)
        figure = Figure(figsize=(10, 1.8 * rows + 0.6), layout="constrained", facecolor="white")
        figure.suptitle(title, fontsize=12)
        axes: Any = figure.subplots(rows, _COLUMNS)
        for axis, panel in zip(axes.flat, _PANELS, strict=True):
            (measure,) = (m for m in MEASURES if (m.workload, m.key) == panel)
            _panel(axis, measure, results)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _panel(axis: Any, measure: Measure, results: Results) -> None:
    """One figure of every target, as bars with their values."""
    measured = [
        (target, value)
        for target in reversed(TARGETS)
        if (value := results.get(target.name, {}).get(measure.workload, {}).get(measure.key)) is not None
    ]
    bars = axis.barh(
        [target.label for target, _ in measured],
        [value for _, value in measured],
        color=[_COLOURS[target.name] for target, _ in measured],
        height=0.65,
    )
    axis.bar_label(bars, labels=[f"{number(value)} {measure.unit}" for _, value in measured], padding=4)
    direction = "less is better" if measure.less_is_better else "more is better"
    axis.set_title(f"{measure.workload}: {measure.label}\n({direction})", fontsize=10, loc="left")
    axis.set_xlim(0, max((value for _, value in measured), default=1) * 1.4)
    axis.xaxis.set_visible(False)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
