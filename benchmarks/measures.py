"""The measured figures, with their names and units."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of one workload. ``less_is_better``: whether a lower value is better."""

    workload: str
    key: str
    label: str
    unit: str
    less_is_better: bool = True


MEASURES = (
    Measure("fan-out", "cpu_us", "server CPU a delivery", "µs"),
    Measure("fan-out", "p50_ms", "create request to receipt, p50", "ms"),
    Measure("fan-out", "p99_ms", "create request to receipt, p99", "ms"),
    Measure("fan-out", "max_per_s", "highest rate that held", "deliveries/s", less_is_better=False),
    Measure("fan-out", "cpu_at_max_us", "server CPU a delivery at that rate", "µs"),
    Measure("fan-out", "memory_kb", "memory a socket", "KB"),
    Measure("pairs", "p50_ms", "update request to receipt, p50", "ms"),
    Measure("pairs", "p99_ms", "update request to receipt, p99", "ms"),
    Measure("pairs", "max_per_s", "flat out", "updates/s", less_is_better=False),
    Measure("pairs", "cpu_us", "server CPU an update", "µs"),
    Measure("query", "max_per_s", "a page of 20 trips", "requests/s", less_is_better=False),
    Measure("query", "cpu_us", "server CPU a request", "µs"),
    Measure("query", "p99_ms", "p99 with 32 connections", "ms"),
    Measure("mutation", "max_per_s", "createTrip", "requests/s", less_is_better=False),
    Measure("mutation", "cpu_us", "server CPU a request", "µs"),
    Measure("mutation", "p99_ms", "p99 with 32 connections", "ms"),
    Measure("positions", "p50_ms", "500 positions/s: report to rider, p50", "ms"),
    Measure("positions", "p99_ms", "the same, p99", "ms"),
    Measure("positions", "cpu_us", "server CPU a position", "µs"),
    Measure("positions", "max_per_s", "flat out", "positions/s", less_is_better=False),
    Measure("positions", "cpu_at_max_us", "server CPU a position, flat out", "µs"),
    Measure("reconnect", "all_live_ms", "all cut at once, until all are live", "ms"),
    Measure("reconnect", "cpu_us", "server CPU a socket", "µs"),
    Measure("areas", "request_cpu_us_500", "server CPU a request, 500 drivers, 7 in reach", "µs"),
    Measure("areas", "request_cpu_us_1000", "server CPU a request, 1,000 drivers, 7 in reach", "µs"),
    Measure("areas", "request_cpu_us_2000", "server CPU a request, 2,000 drivers, 7 in reach", "µs"),
    Measure("areas", "request_cpu_us_4000", "server CPU a request, 4,000 drivers, 7 in reach", "µs"),
    Measure("areas", "report_cpu_us", "server CPU a position", "µs"),
    Measure("areas", "cpu_share", "CPU: 2,000 drivers reporting, 20 requests/s", "%"),
    Measure("areas", "p50_ms", "the same, create request to receipt, p50", "ms"),
    Measure("areas", "p99_ms", "the same, create request to receipt, p99", "ms"),
    Measure("hostile", "alone_p50_ms", "200 honest sockets alone, to receipt, p50", "ms"),
    Measure("hostile", "alone_p99_ms", "200 honest sockets alone, to receipt, p99", "ms"),
    Measure("hostile", "coming_p99_ms", "the same while 1,000 hostile ones come, p99", "ms"),
    Measure("hostile", "p50_ms", "the same beside 1,000 hostile ones, p50", "ms"),
    Measure("hostile", "p99_ms", "the same beside 1,000 hostile ones, p99", "ms"),
    Measure("hostile", "p99_ratio", "how many times as long, p99", "times"),
    Measure("hostile", "alone_cpu_share", "CPU alone", "%"),
    Measure("hostile", "cpu_share", "CPU beside hostile ones", "%"),
    Measure("hostile", "before_mb", "memory before the hostile ones came", "MB"),
    Measure("hostile", "during_mb", "memory while they were there", "MB"),
    Measure("hostile", "after_mb", "memory after they had left", "MB"),
    Measure("hostile", "hostile_open", "hostile ones still open at the end", ""),
    Measure("hostile", "ended_4400", "hostile ones closed with 4400", ""),
    Measure("hostile", "ended_4408", "hostile ones closed with 4408", ""),
    Measure("hostile", "ended_4429", "hostile ones closed with 4429", ""),
    Measure("hostile", "ended_403", "hostile ones refused with HTTP 403", ""),
    Measure("hostile", "ended_1006", "hostile ones cut", ""),
    Measure("hostile", "honest_cut", "honest ones cut", ""),
    Measure("crowd", "open_ms", "10,000 sockets, 100 at a time, until all are live", "ms"),
    Measure("crowd", "memory_kb", "memory a socket", "KB"),
    Measure("crowd", "idle_cpu_ms", "server CPU an idle second", "ms"),
    Measure("crowd", "cpu_us", "server CPU a delivery at 20,000/s", "µs"),
    Measure("crowd", "p50_ms", "create request to receipt, p50", "ms"),
    Measure("crowd", "p99_ms", "create request to receipt, p99", "ms"),
    Measure("crowd", "query_p50_ms", "a page of trips beside it, p50", "ms"),
    Measure("crowd", "query_p99_ms", "a page of trips beside it, p99", "ms"),
    Measure("crowd", "stalls", "event loop late by more than 20 ms", "times"),
    Measure("crowd", "back_ms", "all cut at once, until all are live", "ms"),
    Measure("crowd", "empty_mb", "memory before they came", "MB"),
    Measure("crowd", "full_mb", "memory with them", "MB"),
    Measure("crowd", "left_mb", "memory after they had left", "MB"),
    Measure("city", "cpu_ms_0", "server CPU a second, 200 drivers reporting, nobody watches", "ms"),
    Measure("city", "cpu_ms_1", "the same with one watcher", "ms"),
    Measure("city", "cpu_ms_20", "the same with 20 watchers", "ms"),
    Measure("city", "message_kb", "a message to a watcher", "KB"),
    Measure("city", "gap_p99_ms", "between two messages, p99", "ms"),
    Measure("overload", "rate_per_s", "a page of 20 trips, sustainable", "requests/s", less_is_better=False),
    Measure(
        "overload", "kept_sent_per_s", "3 times that, kept connections: sent", "requests/s", less_is_better=False
    ),
    Measure("overload", "kept_accepted_per_s", "the same, accepted", "requests/s", less_is_better=False),
    Measure("overload", "kept_shed_share", "the same, refused with 503", "%"),
    Measure("overload", "kept_p50_ms", "the same, accepted, p50", "ms"),
    Measure("overload", "kept_p99_ms", "the same, accepted, p99", "ms"),
    Measure("overload", "kept_longest_ms", "the same, accepted, longest", "ms"),
    Measure("overload", "kept_probe_ms", "the same, /readyz and /metrics, longest", "ms"),
    Measure("overload", "kept_recovery_ms", "from its end to ordinary answers", "ms"),
    Measure("overload", "kept_mb", "memory at its end", "MB"),
    Measure(
        "overload", "new_sent_per_s", "3 times that, new connections: sent", "requests/s", less_is_better=False
    ),
    Measure("overload", "new_accepted_per_s", "the same, accepted", "requests/s", less_is_better=False),
    Measure("overload", "new_shed_share", "the same, refused with 503", "%"),
    Measure("overload", "new_p50_ms", "the same, accepted, p50", "ms"),
    Measure("overload", "new_p99_ms", "the same, accepted, p99", "ms"),
    Measure("overload", "new_longest_ms", "the same, accepted, longest", "ms"),
    Measure("overload", "new_probe_ms", "the same, /readyz and /metrics, longest", "ms"),
    Measure("overload", "new_recovery_ms", "from its end to ordinary answers", "ms"),
    Measure("overload", "new_mb", "memory at its end", "MB"),
    Measure("overload", "before_mb", "memory before both", "MB"),
    Measure("overload", "after_mb", "memory after both", "MB"),
)

# Should be 0; shown when they are not.
FAULTS = ("lost", "repeated", "failed")
LOAD_SHARE = "load_share"
MAX_LOAD_SHARE = 0.8


def medians(runs: Sequence[Figures]) -> Figures:
    """The median of each figure; the maximum of the faults and of the load generator's CPU share."""
    return {
        key: (max if key in {*FAULTS, LOAD_SHARE} else statistics.median)(run[key] for run in runs if key in run)
        for key in {key: None for run in runs for key in run}
    }
