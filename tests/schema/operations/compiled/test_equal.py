"""A compiled operation gives the same bytes as graphql-core."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import orjson
import pytest
import strawberry
from graphql import ExecutionResult, GraphQLSchema, OperationType

from schema.operations import documents
from schema.operations.compiled import plan_cache
from schema.operations.compiled.plan import Unfinished
from schema.operations.cost import Estimate
from schema.operations.documents import Operation
from schema.operations.execution import Execution, Refusal, Request, encode
from tests.fuzzing import fuzzed
from tests.fuzzing.fuzzed import LONG_FACTOR
from tests.schema.operations.compiled import everything
from tests.schema.operations.compiled.everything import Branch, Colour, Leaf
from tests.schema.operations.compiled.written import LEFT_BY_GRAPHQL_CORE, Written

EVERYTHING = everything.build()
TYPES: GraphQLSchema = EVERYTHING._schema
NEVER = 10**9


@pytest.fixture(autouse=True, scope="module")
def execution() -> Iterator[Execution]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(documents, "CostModel", lambda _: SimpleNamespace(estimate=lambda *_: Estimate(1, 1.0)))
        patched.setattr("services.runtime.incidents.report", lambda _: "incident")
        yield Execution(EVERYTHING, introspection=True)


class Values:
    """The resolvers' values; ``odd``: also values that a type refuses, or accepts in another form."""

    def __init__(self, random: Random, *, odd: bool) -> None:
        self._random = random
        self._odd = odd

    def branch(self, depth: int = 2) -> Branch:
        """A branch with branches in it."""
        below = (self.leaf, self.leaf if depth == 0 else lambda: self.branch(depth - 1))
        return Branch(
            name=self._name(),
            leaves=self._some(self.leaf),
            best=self._or_odd(self._maybe(self.leaf), below[1]()),
            anything=self._some(*below),
            named=self._some(*below, lambda: self._or_odd(None, 5)),
        )

    def leaf(self) -> Leaf:
        """A leaf."""
        random = self._random
        return Leaf(
            name=self._or_odd(self._name(), None, 5),
            number=self._or_odd(random.randint(-9, 9), True, 3.0, "3", 2**31, None),
            rate=self._or_odd(self._maybe(random.random), inf, nan, 3, "1.5"),
            flag=self._or_odd(random.random() < 0.5, 1, "yes", None),
            id=self._or_odd(strawberry.ID(str(UUID(int=random.getrandbits(128)))), 7, None, 1.5),
            at=self._or_odd(self._maybe(self._moment), "2026"),
            colour=self._or_odd(self._maybe(self._colour), "the red one", 2, "no colour"),
            colours=self._or_odd(self._some(self._colour, lambda: None), (Colour.RED,), None),
            grid=self._or_odd(self._some(lambda: self._some(lambda: random.randint(0, 9))), [[None]], [1], None),
        )

    def _name(self) -> str:
        return self._random.choice(["", "oak", "Ünïcode 🚕"])

    def _colour(self) -> Colour:
        return self._random.choice(list(Colour))

    def _moment(self) -> datetime:
        moment = datetime(1, 1, 2, tzinfo=UTC) + timedelta(microseconds=self._random.randrange(10**17))
        zone = self._random.choice([None, UTC, timezone(timedelta(minutes=self._random.randint(-700, 700)))])
        return moment.replace(microsecond=self._random.choice([0, moment.microsecond]), tzinfo=zone)

    def _some(self, *kinds: Callable[[], Any]) -> list[Any]:
        return [self._random.choice(kinds)() for _ in range(self._random.randint(0, 2))]

    def _maybe(self, kind: Callable[[], Any]) -> Any:
        return kind() if self._random.random() < 0.7 else None

    def _or_odd(self, right: Any, *odd: Any) -> Any:
        if not self._odd or self._random.random() < 0.9:
            return right
        return self._random.choice([*odd, ValueError("a secret of ours")])


async def run(execution: Execution, operation: Operation, request: Request, context: Any) -> Any:
    """The result, after everything that graphql-core leaves running has ended."""
    result = await execution.run(operation, request, context)
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(cast("Any", others))
    return result


async def answers(execution: Execution, request: Request, value: Branch) -> tuple[list[bytes], list[int], bool]:
    """The answers without compiling and with it; how often something was changed; whether it is compiled."""
    said, calls, compiled = list[bytes](), list[int](), False
    for uses in (NEVER, 1):
        context = SimpleNamespace(value=value, calls=0)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(plan_cache, "USES", uses)
            # Cached results must not be shared: each way must do its own work.
            patched.setattr(execution, "_plans", plan_cache.PlanCache(EVERYTHING))
            operation = execution.prepare(request)
            if isinstance(operation, Refusal):
                return [], [], False
            result = await run(execution, operation, request, context)
            compiled = execution._plans.find(operation, request.variables, uses=uses) is not None
        said.append(orjson.dumps(result.formatted()) if isinstance(result, Refusal) else encode(result))
        calls.append(context.calls)
    return said, calls, compiled


async def test_the_variables_of_directives_choose_what_is_compiled(execution: Execution) -> None:
    context = cast("Any", SimpleNamespace(value=Values(Random(1), odd=False).branch()))
    text = "query ($c: Boolean = true) { branch { name @include(if: $c) __typename } }"
    operation = execution.prepare(Request(text))
    assert not isinstance(operation, Refusal)
    for variables in ({"c": True}, {"c": False}, {}, {"c": True}, {"c": False}) * 2:
        result = await execution.run(operation, Request(text, variables=variables), context)
        assert isinstance(result, ExecutionResult)
        assert ("name" in cast("Any", result.data)["branch"]) is variables.get("c", True)


async def test_only_the_failing_part_is_passed_to_graphql_core(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_cache, "USES", 1)
    left = 0
    for seed in range(100):
        random = Random(seed)
        written = Written(random, TYPES)
        request = Request(written.text("query", "branch", TYPES.type_map["Query"].fields["branch"]))  # type: ignore[attr-defined]
        operation = execution.prepare(request)
        context = SimpleNamespace(value=Values(random, odd=False).branch())
        plan = None if isinstance(operation, Refusal) else execution._plans.find(operation, {})
        if isinstance(operation, Refusal) or plan is None:
            continue
        if isinstance(await plan.execute(context, {}), Unfinished):
            result = await run(execution, operation, request, context)
            assert result.errors, (seed, request)
            left += 1
    assert 0 < left < 50


async def check(execution: Execution, kind: str, name: str, seed: int) -> str:
    """Assert that nothing differs for an operation; returns its outcome."""
    random = Random(seed)
    root = TYPES.get_root_type(OperationType(kind))
    assert root is not None
    written = Written(random, TYPES)
    request = Request(written.text(kind, name, root.fields[name]), variables=written.variables)
    said, calls, compiled = await answers(execution, request, Values(random, odd=random.random() < 0.4).branch())
    assert len(set(said)) <= 1, (seed, request, said)
    assert len(set(calls)) <= 1, (seed, request, calls)
    if not said:
        return "invalid"
    return ("compiled" if compiled else "not compiled") + (" with errors" if b'"message"' in said[0] else "")


@pytest.mark.filterwarnings(*LEFT_BY_GRAPHQL_CORE)
@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("query", name) for name in TYPES.type_map["Query"].fields), ("mutation", "change")],  # type: ignore[attr-defined]
)
async def test_operations_of_every_form_give_equal_bytes(execution: Execution, kind: str, name: str) -> None:
    examples = 60 * (LONG_FACTOR if fuzzed.is_long else 1)
    became = Counter([await check(execution, kind, name, seed) for seed in range(examples)])
    # Nearly all are compiled, some are passed to graphql-core at the end, and few are of no use to this test.
    assert became["compiled"] > 20, became
    assert name == "echo" or became["compiled with errors"] >= 5, became
    assert became["invalid"] < 10, became
