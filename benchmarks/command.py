"""The command line: starts PostgreSQL and Redis, measures, and writes the results."""

import gc
import os
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
import uvloop

from application.paths import ROOT
from application.settings import load_settings
from benchmarks import cores
from benchmarks.areas import SIZES
from benchmarks.campaign import Campaign, Workload
from benchmarks.chart import draw
from benchmarks.crowd import MORE_FILES, raise_file_limit
from benchmarks.layers import profile_tables
from benchmarks.stage import Scale
from benchmarks.table import table
from benchmarks.target import TARGETS
from tests.support import servers

RESULTS = ROOT / "benchmarks" / "results.json"
CHART = ROOT / "docs" / "images" / "benchmark.svg"
# Partial and quick runs write here, so that they do not replace the published results.
DRAFTS = ROOT / "var" / "benchmarks"
QUICK_SOCKETS = 100
CROWD = 10_000

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def benchmark(
    sockets: Annotated[int, typer.Option(min=1, help="Sockets of the fan-out and of the mass reconnect.")] = 1000,
    repeat: Annotated[int, typer.Option(min=1, help="Rounds; medians are shown.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each stretch is measured.")] = 10.0,
    only: Annotated[list[Workload] | None, typer.Option(help="Only this workload; may be given again.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run of half a minute.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Show which layers of Taxirank use the CPU, by py-spy. Slower.")
    ] = False,
) -> None:
    """Compare Taxirank with the same server without sharing, and with a bare Starlette application.

    The server has one core. The load, PostgreSQL (without fsync) and Redis share another.
    A full run writes benchmarks/results.json and docs/images/benchmark.svg; any other writes to var/benchmarks.
    With --profile, nothing is compared or written, because sampling slows the server.
    """
    if quick:
        sockets, repeat, seconds = min(sockets, QUICK_SOCKETS), 1, 0.5
    scale = Scale(
        sockets,
        QUICK_SOCKETS if quick else max(SIZES) if not only or Workload.AREAS in only else 0,
        seconds,
        # Each socket is pinged once in each stretch: those that were opened together are pinged together, and
        # in one of two short stretches all of them would be.
        area_seconds=seconds if quick else max(seconds, load_settings().ping_interval_s),
        pairs=30 if quick else 300,
        ramp_steps=1 if quick else 25,
        crowd=QUICK_SOCKETS if quick else CROWD if not only or Workload.CROWD in only else 0,
    )
    raise_file_limit(scale.crowd + MORE_FILES)
    cores.pin(os.getpid(), cores.LOAD_CORE)
    # No garbage collection in the load generator: all its objects live as long as the measurement.
    gc.disable()
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.postgres(Path(folder)) as postgres,
        servers.redis() as redis_url,
    ):
        campaign = Campaign(
            database_url=postgres.copy(),
            redis_url=redis_url,
            folder=Path(folder),
            scale=scale,
            workloads=only or list(Workload),
            has_profiles=profile,
        )
        uvloop.run(campaign.run(rounds=repeat))
    if profile:
        print("\n" + "\n".join(profile_tables(campaign.profiles)))
        return
    is_full = not quick and not only
    _write(campaign, scale, repeat, *((RESULTS, CHART) if is_full else _drafts()))


def _write(campaign: Campaign, scale: Scale, rounds: int, results_path: Path, chart_path: Path) -> None:
    results = campaign.results()
    print("\n" + "\n".join(table(TARGETS, results)))
    document = {
        "scale": {**asdict(scale), "rounds": rounds},
        "python": platform.python_version(),
        "medians": results,
        "runs": [asdict(run) for run in campaign.runs],
    }
    results_path.parent.mkdir(parents=True, exist_ok=True)
    results_path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    draw(results, chart_path, title=f"One server process on one core, {scale.sockets:,} sockets")
    print(f"\nwritten: {results_path.relative_to(ROOT)}, {chart_path.relative_to(ROOT)}")


def _drafts() -> tuple[Path, Path]:
    return DRAFTS / RESULTS.name, DRAFTS / CHART.name
