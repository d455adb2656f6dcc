"""The queries `_entities` and `_service`: what a router of Apollo Federation asks of a subgraph."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from graphql import DirectiveNode, ObjectTypeDefinitionNode, parse

from application.paths import ROOT
from application.settings import Settings
from schema.api.context import Context
from schema.build import build_schema, subgraph_sdl
from schema.operations.compiled import plan_cache
from schema.operations.execution import Execution, Refusal, Request, encode
from tests.conftest import LiveServer
from tests.schema.api.test_access import OUTSIDE, SIGHT, TRIP, VIEWERS, World, selection
from tests.support.api import Api
from tests.support.attacks import Attack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("access")]

USER = selection("User")
ENTITIES = f"""query ($r: [_Any!]!) {{
    _entities(representations: $r) {{ ... on Trip {{ {TRIP} }} ... on User {{ {USER} }} }}
}}"""
BRIEFLY = (
    "query ($r: [_Any!]!) { _entities(representations: $r) { __typename ... on Trip { id } ... on User { id } } }"
)
# Nothing of this may be repeated in an answer.
SECRET = "hunter2hunter2"
# A fixed id, because it is part of the names of tests.
NOBODY = "6f0df2df-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def shared_settings(shared_settings: Settings) -> Settings:
    """Settings of a subgraph whose staff approve drivers; the tests may ask for everything at once."""
    return shared_settings.model_copy(
        update={
            "federation": True,
            "location_rate": "off",
            "max_cost": 1_000_000,
            "max_tokens": 5_000,
            "pick_up_pin": True,
            "driver_approval": True,
            "vehicle_required": True,
        }
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(shared_server: LiveServer) -> AsyncIterator[World]:
    """Everybody, and one trip."""
    world = World(shared_server)
    async with AsyncExitStack() as stack:
        await world.fill(stack)
        yield world


def representation(kind: str, id: object) -> dict[str, str]:
    return {"__typename": kind, "id": str(id)}


async def ask(api: Api, query: str, **variables: Any) -> dict[str, Any]:
    response = await api.http.post("/graphql", json={"query": query, "variables": variables})
    assert SECRET not in response.text
    return response.json()


async def nodes(api: Api, ids: list[UUID]) -> list[Any]:
    """What `node` answers for each id."""
    declared = ", ".join(f"$i{number}: ID!" for number in range(len(ids)))
    fields = " ".join(
        f"n{number}: node(id: $i{number}) {{ ... on Trip {{ {TRIP} }} ... on User {{ {USER} }} }}"
        for number in range(len(ids))
    )
    variables = {f"i{number}": str(id) for number, id in enumerate(ids)}
    answer = await ask(api, f"query ({declared}) {{ {fields} }}", **variables)
    assert "errors" not in answer, answer
    return list(answer["data"].values())


@pytest.mark.parametrize("status", SIGHT)
async def test_every_caller_sees_of_an_entity_exactly_what_node_shows(
    world: World, status: str, attempts: Attack
) -> None:
    await world.stand(status)
    people = [world.people[name].id for name in ("rider", "driver", "other driver", "gave back")]
    for viewer in VIEWERS:
        own = [world.people[viewer].id] if viewer in world.people else []
        ids = [world.trip_id, *people, *own]
        kinds = ["Trip", *["User"] * (len(ids) - 1)]
        asked = [representation(kind, id) for kind, id in zip(kinds, ids, strict=True)]
        answer = await ask(world.apis[viewer], ENTITIES, r=asked)
        if viewer in OUTSIDE:
            assert answer["data"] is None
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]
            attempts.add()
            continue
        assert "errors" not in answer, answer
        found = answer["data"]["_entities"]
        assert found == await nodes(world.apis[viewer], ids), f"{viewer} while {status}"
        assert (found[0] is not None) == (viewer in SIGHT[status])
        assert found[-1]["email"] == "a@b.example"
        attempts.add(found.count(None) > 0)


async def test_an_id_of_another_type_is_null(world: World) -> None:
    await world.stand("STARTED")
    rider = world.people["rider"].id
    asked = [representation("User", world.trip_id), representation("Trip", rider), representation("Trip", uuid4())]
    assert await ask(world.apis["rider"], BRIEFLY, r=asked) == {"data": {"_entities": [None] * 3}}


@pytest.mark.parametrize(
    "hostile",
    [
        5,
        SECRET,
        True,
        [],
        [representation("Trip", NOBODY)],
        {},
        {"__typename": "Trip"},
        {"id": NOBODY},
        {"__typename": SECRET, "id": NOBODY},
        {"__typename": "Vehicle", "id": NOBODY},
        {"__typename": "Query", "id": NOBODY},
        {"__typename": ["Trip"], "id": NOBODY},
        {"__typename": {"Trip": 1}, "id": NOBODY},
        {"__typename": None, "id": NOBODY},
        {"__typename": "Trip", "id": 7},
        {"__typename": "Trip", "id": None},
        {"__typename": "Trip", "id": SECRET},
        {"__typename": "User", "id": SECRET * 1000},
        {"__typename": "User", "id": {"id": NOBODY}},
    ],
)
async def test_what_names_no_object_is_an_error_of_that_item_alone(world: World, hostile: object) -> None:
    rider = representation("User", world.people["rider"].id)
    answer = await ask(world.apis["rider"], BRIEFLY, r=[rider, hostile, rider])
    assert answer["data"]["_entities"] == [rider, None, rider]
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["path"] == ["_entities", 1]


async def test_more_fields_than_the_key_do_no_harm(world: World) -> None:
    rider = world.people["rider"].id
    asked = {**representation("User", rider), "self": SECRET, "info": 1, "email": "x@y.example"}
    assert await ask(world.apis["rider"], BRIEFLY, r=[asked]) == {
        "data": {"_entities": [representation("User", rider)]}
    }


@pytest.mark.parametrize("count", [101, 600])
async def test_too_many_representations_are_refused_before_any_is_read(world: World, count: int) -> None:
    given = [representation("Trip", number) for number in range(count)]
    written = ", ".join(f'{{__typename: "Trip", id: "{number}"}}' for number in range(101))
    as_variable = await ask(world.apis["rider"], BRIEFLY, r=given)
    as_literal = await ask(world.apis["rider"], f"{{ _entities(representations: [{written}]) {{ __typename }} }}")
    for answer in (as_variable, as_literal):
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["MAX_LIST_ITEMS_LIMIT"]


async def test_null_and_no_list_at_all_are_refused(world: World) -> None:
    for wrong in ([None], None):
        answer = await ask(world.apis["rider"], BRIEFLY, r=wrong)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
    # As everywhere in GraphQL, one value stands for a list of one.
    rider = representation("User", world.people["rider"].id)
    assert await ask(world.apis["rider"], BRIEFLY, r=rider) == {"data": {"_entities": [rider]}}
    assert await ask(world.apis["rider"], BRIEFLY, r=[]) == {"data": {"_entities": []}}


async def test_a_compiled_operation_and_graphql_core_give_the_same_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stand("IN_PROGRESS")
    schema = build_schema(federation=True)
    judge, compiling = Execution(schema, introspection=True), Execution(schema, introspection=True)
    monkeypatch.setattr(judge, "_plans", SimpleNamespace(find=lambda *_, **__: None))
    monkeypatch.setattr(plan_cache, "USES", 1)
    trip, rider = representation("Trip", world.trip_id), representation("User", world.people["rider"].id)
    wholly = ENTITIES.replace("$r: [_Any!]!", "$r: [_Any!]! = []")
    requests = [
        (Request(text, variables={} if given is None else {"r": given}), viewer)
        for text in (BRIEFLY, wholly, ENTITIES)
        for given in ([trip, rider], [rider, {"__typename": "x"}, trip], [5], [None], [], trip, None)
        for viewer in ("rider", "driver", "other rider", None)
    ]
    requests.append((Request("{ _service { sdl __typename } }"), None))
    compiled = 0
    for request, viewer in requests:
        answers: list[bytes] = []
        for execution in (judge, compiling):
            operation = execution.prepare(request)
            assert not isinstance(operation, Refusal)
            actor = world.people[viewer] if viewer is not None else None
            context = Context(world.server.application.services, actor)
            result = await execution.run(operation, request, context)
            answers.append(repr(result.formatted()).encode() if isinstance(result, Refusal) else encode(result))
            if execution is compiling:
                compiled += compiling._plans.find(operation, request.variables) is not None
        assert answers[0] == answers[1], request
    assert compiled > len(requests) // 2


async def test_a_hundred_simultaneous_requests_are_answered_each_for_its_own_caller(world: World) -> None:
    await world.stand("STARTED")
    asked = [representation("Trip", world.trip_id), representation("User", world.people["driver"].id)]
    viewers = ["rider", "other rider", "driver", "other driver"] * 25
    answers = await asyncio.gather(*(ask(world.apis[viewer], BRIEFLY, r=asked) for viewer in viewers))
    for viewer, answer in zip(viewers, answers, strict=True):
        trip, driver = answer["data"]["_entities"]
        assert (trip is not None) == (viewer in SIGHT["STARTED"])
        assert (driver is not None) == (viewer in ("rider", "driver"))


async def test_the_text_of_the_schema_is_told_to_everybody_and_has_the_keys(world: World) -> None:
    answer = await ask(world.apis["nobody"], "{ _service { sdl } }")
    assert answer == {"data": {"_service": {"sdl": subgraph_sdl()}}}


async def test_the_sdl_is_the_schema_with_directives_and_nothing_else() -> None:
    link, *definitions = parse(subgraph_sdl()).definitions
    assert link.kind == "schema_extension"
    marked: dict[str, list[str]] = {}
    plain: list[object] = []
    for definition in definitions:
        directives = cast("tuple[DirectiveNode, ...]", getattr(definition, "directives", None) or ())
        if directives and isinstance(definition, ObjectTypeDefinitionNode):
            marked[definition.name.value] = [directive.name.value for directive in directives]
        plain.append(definition)
    assert marked == {"Trip": ["key"], "User": ["key"], "PageInfo": ["shareable"]}
    names = [cast("Any", definition).name.value for definition in plain]
    committed = parse((ROOT / "schema.graphql").read_text(encoding="utf-8")).definitions
    assert names == [cast("Any", definition).name.value for definition in committed]


async def test_without_the_setting_the_schema_knows_no_entities() -> None:
    committed = (ROOT / "schema.graphql").read_text(encoding="utf-8")
    assert build_schema().as_str() + "\n" == committed
    # Also after a schema of a subgraph was built in the same process.
    build_schema(federation=True)
    assert build_schema().as_str() + "\n" == committed
    assert "_entities" not in committed


async def test_without_introspection_the_text_of_the_schema_is_not_told() -> None:
    execution = Execution(build_schema(federation=True, shows_sdl=False), introspection=False)
    refusal = execution.prepare(Request("{ _service { sdl } }"))
    assert isinstance(refusal, Refusal)
    assert refusal.formatted()[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert not isinstance(execution.prepare(Request(BRIEFLY, variables={"r": []})), Refusal)
