"""The dashboard and the alerts for operators match the server's metrics."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from prometheus_client.metrics_core import Metric

from application.application import Application
from application.asgi import Asgi
from application.paths import ROOT
from application.settings import Settings
from tests.support.tools import missing

PARTS = ("bucket", "count", "sum")


def measured(settings: Settings) -> tuple[set[str], set[str]]:
    """The gauges, and all names of samples."""
    metrics = Asgi(Application(settings)).metrics
    families: list[Metric] = list(metrics._registry.collect())  # pyright: ignore[reportPrivateUsage]
    stored = {f"taxirank_{name}" for name in metrics._stored}  # pyright: ignore[reportPrivateUsage]
    gauges = {family.name for family in families if family.type == "gauge"} | stored
    histograms = {f"{family.name}_{part}" for family in families if family.type == "histogram" for part in PARTS}
    return gauges, {sample.name for family in families for sample in family.samples} | stored | histograms


def named(file: str) -> set[str]:
    return set(re.findall(r"taxirank_\w+", (ROOT / "docs" / file).read_text(encoding="utf-8")))


def test_the_dashboard_shows_every_gauge_and_nothing_that_is_not_measured(settings: Settings) -> None:
    gauges, samples = measured(settings)
    assert gauges - named("grafana.json") == set()
    assert named("grafana.json") - samples == set()


def test_the_dashboard_shows_every_histogram(settings: Settings) -> None:
    _, samples = measured(settings)
    assert {name for name in samples if name.endswith("_bucket")} - named("grafana.json") == set()


def test_the_panels_of_the_dashboard_have_a_place_and_a_number_of_their_own() -> None:
    panels = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


def test_alerts_name_only_what_is_measured(settings: Settings) -> None:
    _, samples = measured(settings)
    assert named("alerts.yml") - samples == set()


def test_prometheus_understands_the_alerts() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool", "run .ci/promtool, or install Prometheus")
    done = subprocess.run(
        [promtool, "check", "rules", ROOT / "docs" / "alerts.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_understands_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool", "run .ci/promtool, or install Prometheus")
    panels = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    # As Grafana fills them in.
    filled = [query.replace("$instance", ".*").replace("$__rate_interval", "1m") for query in queries]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(filled)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
