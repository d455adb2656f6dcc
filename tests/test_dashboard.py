"""The dashboard for operators matches the server's metrics."""

import re

from prometheus_client.metrics_core import Metric

from application.application import Application
from application.asgi import Asgi
from application.paths import ROOT
from application.settings import Settings

PARTS = ("bucket", "count", "sum")


def test_the_dashboard_shows_every_gauge_and_nothing_that_is_not_measured(settings: Settings) -> None:
    metrics = Asgi(Application(settings)).metrics
    families: list[Metric] = list(metrics._registry.collect())  # pyright: ignore[reportPrivateUsage]
    stored = {f"taxirank_{name}" for name in metrics._stored}  # pyright: ignore[reportPrivateUsage]
    measured = {sample.name for family in families for sample in family.samples} | stored
    gauges = {family.name for family in families if family.type == "gauge"} | stored
    shown = set(re.findall(r"taxirank_\w+", (ROOT / "docs" / "grafana.json").read_text(encoding="utf-8")))
    histograms = {f"{family.name}_{part}" for family in families if family.type == "histogram" for part in PARTS}
    assert gauges - shown == set()
    assert shown - measured - histograms == set()
