"""The benchmark's profile counts each sample for the layer whose code ran."""

from collections import Counter

import pytest

from benchmarks.layers import count, profile_tables

BASE = "<module> (server.py:9);run_until_complete (loop.c:1)"


@pytest.mark.parametrize(
    ("frames", "layer"),
    [
        ("", "event loop and sockets"),
        (
            "task_step (_asynciomodule.c:2990);Batches._send_all (services/runtime/batches.py:50)",
            "tasks and batches",
        ),
        ("feed_data (parser.c:6039);check (gateway/uvicorn/request_head.py:71)", "transport"),
        (
            "HttpEndpoint._run (schema/transport/http.py:181);validate (graphql/validation/validate.py:3)",
            "reading the operation",
        ),
        ("Plan.execute (schema/operations/compiled/plan.py:97);Trip_f4 (<compiled operation>:8)", "GraphQL"),
        ("Trips.page (services/trips/commands.py:400);UUID.__init__ (uuid.py:170)", "use cases"),
        ("Database._run (services/database/connections.py:238);data_received (protocol.c:3)", "database client"),
        (
            "publish_all (services/events/redis_publishing.py:36);Pipeline.execute (redis/asyncio/client.py:9)",
            "Redis client",
        ),
        ("Outbox._publish_batch (services/events/outbox.py:233)", "outbox and bus"),
        ("Topic._pieces (services/live/topic.py:80)", "live delivery"),
        ("Topic._pieces (services/live/topic.py:80);gc_collect_main (libpython3.11.so.1.0)", "garbage collector"),
    ],
)
def test_a_sample_counts_for_the_innermost_function_that_belongs_to_a_layer(frames: str, layer: str) -> None:
    assert count(f"{BASE};{frames} 7\n" if frames else f"{BASE} 7\n") == {layer: 7}


def test_threads_that_wait_for_work_are_not_counted() -> None:
    assert count("Thread._bootstrap (threading.py:1002);_worker (concurrent/futures/thread.py:81) 900\n") == {}


def test_the_table_has_the_share_of_each_layer_in_each_stretch_of_a_workload() -> None:
    first, second = Counter({"GraphQL": 1, "transport": 3}), Counter({"transport": 1})
    lines = [line.split() for line in profile_tables({"query": [first], "positions": [first, second]})]
    assert lines[0] == ["query", "positions", "1", "positions", "2"]
    assert ["transport", "75.0%", "75.0%", "100.0%"] in lines
    assert ["GraphQL", "25.0%", "25.0%", "0.0%"] in lines
    assert lines[-1] == ["samples", "4", "4", "1"]
