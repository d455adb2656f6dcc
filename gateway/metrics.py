"""Prometheus metrics of one server process."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.path_folders import folder_of
from services.errors import DatabaseUnavailable
from services.events.bus import BusState
from services.runtime.counters import Counters
from services.runtime.durations import Durations

# How long a scrape waits for the values of the database, and while the server is busy. After that it has those of
# the scrape before.
PATIENCE_S, BUSY_PATIENCE_S = 5.0, 0.02


class Metrics(Collector):
    """Reads the gauges only when it is asked, so that counting costs the hot path only an addition.

    ``gauges`` maps a name to its help text and a function that reads it. ``stored`` does the same for values that
    each scrape asks the database for; without a database they are left out. ``is_busy``: then a scrape does
    not wait for them. ``durations`` maps a name to its help text and its measurements.
    """

    def __init__(
        self,
        counters: Counters,
        *,
        gauges: dict[str, tuple[str, Callable[[], float]]],
        durations: dict[str, tuple[str, Durations]],
        is_busy: Callable[[], bool],
        bus_state: Callable[[], BusState],
        store_is_up: Callable[[], bool],
        photos_are_up: Callable[[], bool],
        routing_is_up: Callable[[], bool],
        mail_is_up: Callable[[], bool],
        stored: dict[str, tuple[str, Callable[[], Awaitable[float]]]],
    ) -> None:
        self._counters = counters
        self._gauges = gauges
        self._durations = durations
        self._bus_state = bus_state
        self._store_is_up = store_is_up
        self._photos_are_up = photos_are_up
        self._routing_is_up = routing_is_up
        self._mail_is_up = mail_is_up
        self._stored = stored
        self._is_busy = is_busy
        self._reading: asyncio.Task[None] | None = None
        self._found: dict[str, float] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._folders: frozenset[str] = frozenset()
        self._request_seconds = Histogram(
            "taxirank_request_seconds",
            "How long HTTP requests took, by path and status.",
            ["path", "status"],
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self._registry,
        )
        # By path and status: to look one up by its labels takes longer than to observe.
        self._requests: dict[tuple[str, int], Histogram] = {}

    def know_folders(self, folders: frozenset[str]) -> None:
        """Tell apart the requests to these routes, by the first part of their paths."""
        self._folders = folders

    def observe_request(self, path: str, status: int, seconds: float) -> None:
        """Count one answered request. All photos are one path, and all unknown paths are one.

        Each label stays for ever, so no label comes from text that a client chose.
        """
        folder = folder_of(path)
        shown = folder if status != 404 and folder in self._folders else ""
        series = self._requests.get((shown, status))
        if series is None:
            series = self._requests[shown, status] = self._request_seconds.labels(path=shown, status=str(status))
        series.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """All metrics except those of requests. Part of prometheus-client's Collector."""
        for name, help_text in _COUNTERS.items():
            yield CounterMetricFamily(f"taxirank_{name}", help_text, value=getattr(self._counters, name))
        for name, (help_text, read) in self._gauges.items():
            yield GaugeMetricFamily(f"taxirank_{name}", help_text, value=read())
        for name, (help_text, durations) in self._durations.items():
            yield HistogramMetricFamily(
                f"taxirank_{name}", help_text, buckets=durations.buckets(), sum_value=durations.sum_s
            )
        yield self._operation_seconds()
        yield GaugeMetricFamily(
            "taxirank_bus_up", "1 while events travel, 0 while degraded.", value=self._bus_state() is BusState.OK
        )
        yield GaugeMetricFamily(
            "taxirank_store_up",
            "1 while all processes share positions and rates, 0 while each keeps its own.",
            value=self._store_is_up(),
        )
        yield GaugeMetricFamily(
            "taxirank_photos_up",
            "1 while photos can be stored and served, 0 while their folder or bucket fails.",
            value=self._photos_are_up(),
        )
        yield GaugeMetricFamily(
            "taxirank_routing_up",
            "1 while the routing engine answers, or none is set; 0 after it has not answered.",
            value=self._routing_is_up(),
        )
        yield GaugeMetricFamily(
            "taxirank_mail_up",
            "1 while letters can be sent, 0 after the mail server, or the folder, has failed.",
            value=self._mail_is_up(),
        )
        for name, value in self._found.items():
            yield GaugeMetricFamily(f"taxirank_{name}", self._stored[name][0], value=value)

    def _operation_seconds(self) -> Metric:
        family = HistogramMetricFamily(
            "taxirank_operation_seconds",
            "How long queries and mutations took, by type and root field.",
            labels=["type", "field"],
        )
        for labels, durations in self._counters.operations.items():
            family.add_metric(labels, durations.buckets(), durations.sum_s)
        return family

    def route(self) -> Route:
        """``/metrics``, in the text format of Prometheus."""

        async def metrics(_: Request) -> Response:
            reading = self._reading
            if reading is None:
                reading = self._reading = asyncio.create_task(self._read_stored(), name="read metrics")
            until_s = perf_counter() + PATIENCE_S
            while perf_counter() < until_s:
                await asyncio.wait([reading], timeout=BUSY_PATIENCE_S)
                # A scrape must not wait for a database whose connections are all in use.
                if reading.done() or self._is_busy():
                    break
            if reading.done():
                self._reading = None
                # Raises, if it failed.
                reading.result()
            return Response(generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

        return Route("/metrics", metrics)

    async def _read_stored(self) -> None:
        try:
            self._found = {name: await read() for name, (_, read) in self._stored.items()}
        except DatabaseUnavailable:
            self._found = {}


_COUNTERS = {
    "events": "Events received from the bus, counted once for each topic.",
    "executions": "Executions of subscription messages; one serves all equal operations.",
    "deliveries": "Messages passed to connections.",
    "conflations": "Messages that newer ones replaced because a client was slow.",
    "resyncs": "Subscribers brought up to date by a new snapshot.",
    "reads": "Statements that read state for subscribers.",
    "left_over_photos": "Photos without an account that the sweep removed.",
    "removed_trips": "Old trips that were removed.",
    "pushes_sent": "Messages that push services accepted.",
    "pushes_dropped": "Push messages that were not sent: too old, seen on a socket, or the device is gone.",
    "pushes_failed": "Attempts to send a push message that failed or were refused.",
    "letters_sent": "E-mails that the mail server accepted.",
    "letters_deferred": "Attempts to send an e-mail that failed and are repeated.",
    "letters_given_up": "E-mails that the mail server refused, or that could not be sent for a day.",
    "webhooks_delivered": "Webhooks that their receivers accepted.",
    "webhooks_failed": "Attempts to send a webhook that failed.",
    "webhooks_given_up": "Webhooks that became dead letters.",
    "routing_failures": "Questions that the routing engine did not answer in time and correctly.",
    "refused_requests": "Requests and operations on sockets that were refused because of overload.",
    "refused_sockets": "New sockets and subscriptions that were refused because of overload.",
    "replica_reads": "Reads that a replica of the database answered.",
    "replica_fallbacks": "Reads that the primary answered because no replica was fresh, or one failed.",
    "restarted_tasks": "Background tasks that ended unexpectedly and were restarted.",
}
