"""Which operations are compiled, when, and how many plans are cached."""

import gc
import tracemalloc
import weakref
from collections.abc import Sequence

import pytest

from schema.build import build_schema
from schema.operations.compiled import answers, plan_cache
from schema.operations.compiled.plan_cache import PlanCache
from schema.operations.documents import Documents, Operation

SCHEMA = build_schema()
TYPES = SCHEMA._schema
DOCUMENTS = Documents(TYPES, introspection=True)


@pytest.fixture(autouse=True)
def as_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_cache, "USES", 2)


def operation(text: str) -> Operation:
    return DOCUMENTS.prepare(text).operation(None)


def test_an_operation_that_comes_once_is_not_compiled() -> None:
    known = PlanCache(SCHEMA)
    asked = operation("{ me { id } }")
    assert known.find(asked, {}) is None
    plan = known.find(asked, {})
    assert plan is not None
    assert known.find(asked, {}) is plan
    assert known.find(operation("{ me { id } }"), {}) is None


def test_a_subscription_is_compiled_at_its_first_use() -> None:
    assert PlanCache(SCHEMA).find(operation("subscription { driverPool { __typename } }"), {}, uses=1) is not None


def test_invalid_variables_do_not_affect_the_next_request() -> None:
    known = PlanCache(SCHEMA)
    asked = operation("query ($id: ID!) { trip(id: $id) { id } }")
    assert [known.find(asked, {}) for _ in range(3)] == [None] * 3
    assert known.find(asked, {"id": "1"}) is not None


@pytest.mark.parametrize(
    "text", ["{ __schema { types { name } } }", '{ me { id } __type(name: "User") { name } }']
)
def test_introspection_is_left_to_graphql_core(text: str) -> None:
    known = PlanCache(SCHEMA)
    asked = operation(text)
    assert [known.find(asked, {}) for _ in range(3)] == [None] * 3


def test_a_very_large_selection_is_left_to_graphql_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_FIELDS", 5)
    known = PlanCache(SCHEMA)
    assert known.find(operation("{ me { id role photo username } }"), {}, uses=1) is not None
    assert known.find(operation("{ me { id role photo username firstName } }"), {}, uses=1) is None


@pytest.mark.attack("cost")
def test_cached_plans_take_no_more_memory_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_cache, "CACHED_BYTES", 1_000_000)
    # More than there is room for.
    operations = [
        operation(f"{{ trips {{ a{number}: nodes {{ id status rider {{ id photo }} driver {{ id role }} }} }} }}")
        for number in range(150)
    ]

    def fill(known: PlanCache, operations: Sequence[Operation]) -> None:
        for each in operations:
            assert known.find(each, {}, uses=1) is not None
        # Functions and the names that they refer to form a cycle.
        gc.collect()

    # The libraries fill their own caches once.
    fill(PlanCache(SCHEMA), operations[:10])
    known = PlanCache(SCHEMA)
    tracemalloc.start()
    try:
        fill(known, operations)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 300_000 < taken < 1_000_000


@pytest.mark.attack("cost")
def test_long_texts_in_operations_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_cache, "CACHED_BYTES", 1_000_000)
    known = PlanCache(SCHEMA)
    for number in range(20):
        text = f"{number}" + 25_000 * "🚕"
        assert known.find(operation(f'{{ trips(after: "{text}") {{ nodes {{ id }} }} }}'), {}, uses=1) is not None
    # Each takes 100 KB.
    assert len(known._plans) < 10


def test_an_evicted_plan_leaves_nothing_to_the_garbage_collector() -> None:
    known = PlanCache(SCHEMA)
    plan = known.find(operation("{ trips { nodes { id rider { id } } } }"), {}, uses=1)
    assert plan is not None
    function = weakref.ref(plan.read_variables)
    gc.collect()
    gc.disable()
    try:
        del plan, known
        assert function() is None
    finally:
        gc.enable()


def test_variables_of_other_operations_make_no_plans() -> None:
    known = PlanCache(SCHEMA)
    document = DOCUMENTS.prepare("query A { me { id } } query B($c: Boolean!) { me { id @skip(if: $c) } }")
    plan = known.find(document.operation("A"), {}, uses=1)
    assert plan is not None
    assert all(known.find(document.operation("A"), {"c": value}, uses=1) is plan for value in (True, False, [1]))
