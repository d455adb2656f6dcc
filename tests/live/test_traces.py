"""One trace from a rider's request in one process to the deliveries in all others."""

import asyncio
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from tests.support.api import POOL, Api
from tests.support.collector import collecting
from tests.support.processes import server_process
from tests.support.servers import Postgres
from tests.support.trace_picture import picture

CALLER = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
CREATE = """mutation Book($trip: CreateTripInput!) {
    createTrip(input: $trip) { trip { id } errors { code } } }"""
TRIP = {"pickUpAddress": "Central Station", "dropOffAddress": "Airport"}


@pytest.fixture
def trace_picture(request: pytest.FixtureRequest) -> Path | None:
    """Where to draw the trace."""
    return request.config.getoption("trace_picture", default=None)


async def test_one_trace_leads_from_a_request_to_its_delivery_in_each_process(
    postgres: Postgres,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trace_picture: Path | None,
) -> None:
    """With ``--trace-picture FILE`` it draws the trace, as ``docs/images/trace.svg`` shows it."""
    database_url = postgres.copy()
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        settings = {
            "database_url": database_url,
            "redis_url": redis_url,
            "redis_prefix": f"traces-{uuid4().hex[:8]}",
            "media_url": tmp_path,
            "password_hash_memory_kib": 1024,
            "tracing": True,
            "log_level": "debug",
            "log_format": "json",
        }
        async with server_process(**settings) as one, server_process(**settings) as other:
            await one.ready()
            await other.ready()
            async with Api(one.url) as rider, Api(one.url) as driver, Api(other.url) as elsewhere:
                await rider.sign_up("RIDER")
                await driver.sign_up("DRIVER")
                await elsewhere.sign_up("DRIVER")
                async with driver.socket() as here, elsewhere.socket() as there:
                    pools = [await socket.start(POOL) for socket in (here, there, there)]
                    for pool in pools:
                        await pool.next()
                    answer = await rider.http.post(
                        "/graphql",
                        json={"query": CREATE, "variables": {"trip": TRIP}},
                        headers={"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"},
                    )
                    trip_id = answer.json()["data"]["createTrip"]["trip"]["id"]
                    for pool in pools:
                        assert (await pool.next())["trip"]["id"] == trip_id
            await one.stop()
            await other.stop()
            logs = [one.log(), other.log()]
    postgres.drop(database_url)

    trace = [span for span in collector.spans if span.trace_id == CALLER[0]]
    by_name = {span.name: span for span in trace}
    request, mutation, write, publish = (
        by_name[name] for name in ("POST /graphql", "mutation", "write trips", "publish trip")
    )
    statement = by_name["INSERT trips"]
    deliveries = [span for span in trace if span.name == "process trip"]

    # Each is caused by the one before it.
    assert request.parent_id == CALLER[1]
    assert mutation.parent_id == request.span_id
    assert write.parent_id == mutation.span_id
    assert statement.parent_id == publish.parent_id == write.span_id

    # One in each process, although two pools listen in the second one.
    assert len(deliveries) == len({span.process for span in deliveries}) == 2
    assert {span.process for span in trace} == {span.process for span in deliveries}
    for delivery in deliveries:
        assert (delivery.parent_id, delivery.links) == (publish.span_id, (publish.span_id,))
        assert delivery.attributes["taxirank.trip.id"] == trip_id
        assert delivery.begin_ns <= delivery.end_ns
    assert sorted(span.attributes["taxirank.subscribers"] for span in deliveries) == [1, 2]

    kinds = {span.name: span.kind for span in trace}
    assert kinds == {
        "POST /graphql": "SERVER",
        "mutation": "SERVER",
        "SELECT sessions": "CLIENT",
        "write trips": "INTERNAL",
        "INSERT trips": "CLIENT",
        "publish trip": "PRODUCER",
        "process trip": "CONSUMER",
    }
    assert request.attributes["taxirank.request_id"] == answer.headers["X-Request-ID"]
    assert request.attributes["http.response.status_code"] == 200
    assert mutation.attributes == {"graphql.operation.type": "mutation", "graphql.operation.name": "Book"}
    assert statement.attributes["db.system.name"] == "postgresql"
    assert request.resource["service.name"] == "taxirank"

    # The log lines of the request name its trace beside its id.
    lines = [orjson.loads(line) for line in logs[0].splitlines() if line.startswith("{")]
    mine = [line for line in lines if line.get("request_id") == answer.headers["X-Request-ID"]]
    assert mine
    assert {line["trace_id"] for line in mine} == {CALLER[0]}
    assert all("Traceback" not in log for log in logs), logs
    drawn = picture(trace, title="A createTrip, from the request to the offers in two processes")
    assert all(span.name in drawn for span in trace)
    if trace_picture is not None:
        await asyncio.to_thread(trace_picture.write_text, drawn)
    assert "Central Station" not in str(collector.spans), "what people type is in no span"
