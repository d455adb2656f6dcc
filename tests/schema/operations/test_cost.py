"""The estimated cost of an operation, and which operations it refuses."""

from math import inf
from typing import Any

import pytest
from graphql import (
    FragmentDefinitionNode,
    OperationDefinitionNode,
    get_introspection_query,
    parse,
    print_ast,
    separate_operations,
)
from graphql import build_schema as build_from_sdl

import benchmarks.operations
import simulation.operations
from application.paths import ROOT
from schema.api.errors import RequestError
from schema.build import build_schema
from schema.operations.cost import CostModel, NoEstimate
from schema.operations.cost_tables import NULLS
from schema.operations.documents import Documents, Operation
from schema.operations.limits import DEFAULT_LIMITS
from services.trips.commands import MAX_PAGE
from tests.schema.api.test_access import ALL, FIELDS, ONESELF, OWN, selection
from tests.support import api

SCHEMA = build_schema()._schema  # pyright: ignore[reportPrivateUsage]
USER = "__typename id username firstName lastName role photo"
TRIP = f"""
    __typename id created updated version status pickUpAddress dropOffAddress pickUp {{ lat lng }}
    dropOff {{ lat lng }} expiresAt cancelReason rider {{ {USER} }} driver {{ {USER} }}
    driverLocation {{ id point {{ lat lng }} heading recordedAt }} pickUpEta
    history {{ version status at changedBy user {{ {USER} }} }}
"""
EVERYTHING = selection("Trip")
TRIP_COST = 1 + 15
ALL_OF_A_TYPE = """
    fragment T on __Type {
        kind name description inputFields { ...I } interfaces { name } enumValues { name } possibleTypes { name }
        fields { name description args { ...I } type { ...R } }
    }
    fragment I on __InputValue { name description type { ...R } defaultValue }
    fragment R on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }
"""


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(SCHEMA, introspection=True)


def operation(documents: Documents, query: str, name: str | None = None) -> Operation:
    document = documents.get(query)
    assert not document.errors, document.errors
    return document.operation(name)


def refusal(documents: Documents, query: str, **variables: Any) -> dict[str, Any]:
    with pytest.raises(RequestError) as refused:
        operation(documents, query).check(variables)
    assert refused.value.extensions is not None
    return refused.value.extensions


@pytest.mark.parametrize(
    ("query", "variables", "cost"),
    [
        ("{ __typename }", {}, 1),
        ("{ me { id role } }", {}, 3),
        ("{ trips(first: 7) { nodes { id } } }", {}, 201 + 7 * (TRIP_COST + 1)),
        ("{ trips { nodes { id } } }", {}, 201 + 20 * (TRIP_COST + 1)),
        ("{ trips(first: 0) { nodes { id } } }", {}, 201),
        ("{ trips(first: 2) { edges { cursor node { id } } } }", {}, 201 + 2 * (2 + TRIP_COST + 1)),
        ("query ($n: Int!) { trips(first: $n) { nodes { id } } }", {"n": 7}, 201 + 7 * (TRIP_COST + 1)),
        ("query ($n: Int! = 3) { trips(first: $n) { nodes { id } } }", {}, 201 + 3 * (TRIP_COST + 1)),
        ("query ($n: Int! = 3) { trips(first: $n) { nodes { id } } }", {"n": 4}, 201 + 4 * (TRIP_COST + 1)),
        ("query ($n: Int) { trips(first: $n) { nodes { id } } }", {}, 201 + 20 * (TRIP_COST + 1)),
        ("{ trips(first: 1) { nodes { history { at } } } }", {}, 201 + TRIP_COST + 20 + 6 * 2),
        ("{ trips(first: 1) { nodes { pickUpEta } } }", {}, 201 + TRIP_COST + 21),
        ("mutation { logOut { errors { code } } }", {}, 503),
    ],
)
def test_an_operation_costs_what_it_asks_for(
    documents: Documents, query: str, variables: dict[str, Any], cost: int
) -> None:
    assert operation(documents, query).estimate.of(variables) == cost


def test_what_an_object_never_shows_costs_one(documents: Documents) -> None:
    hidden = {
        f"{type_}.{name}" for type_ in ("Trip", "User") for name, to in FIELDS[type_].items() if to is not ALL
    }
    own = {f"User.{name}" for name, to in FIELDS["User"].items() if to in (ONESELF, OWN)}
    assert NULLS["PoolSnapshot.offers"] == NULLS["TripOffered.trip"] == hidden - own
    assert NULLS["Trip.rider"] == NULLS["Trip.driver"] == NULLS["HistoryEntry.user"] == own

    offers = "subscription {{ driverPool {{ ... on PoolSnapshot {{ offers {{ {} }} }} }} }}"
    history, status = (
        operation(documents, offers.format(f"id {field}")).estimate.of({})
        for field in ("history { user { firstName } }", "status")
    )
    assert history == status


@pytest.mark.parametrize("first", [-1, 101, 10**30, 2.5, "1", None, [1], {}, True])
def test_a_page_of_a_length_that_will_be_refused_costs_at_most_a_full_one(
    documents: Documents, first: object
) -> None:
    query = "query ($n: Int!) { trips(first: $n) { nodes { id } } }"
    full = 201 + 100 * (TRIP_COST + 1)
    cost = operation(documents, query).estimate.of({"n": first})
    assert cost == full
    assert operation(documents, f"{{ trips(first: {101 + 10**8}) {{ nodes {{ id }} }} }}").estimate.of({}) == full


ENTITIES = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Trip { id } ... on User { id role } } }"
# An object: finding it, and the more costly of the two.
ENTITY_COST = 10 + TRIP_COST + 1


@pytest.mark.parametrize(
    ("query", "given", "count"),
    [
        (ENTITIES, [{}] * 7, 7),
        (ENTITIES, [], 0),
        # One value stands for a list of one.
        (ENTITIES, {}, 1),
        (ENTITIES, None, 1),
        (ENTITIES.replace("!]!", "!]! = [1, 2]"), None, 1),
        ("{ _entities(representations: [1, 2, {}]) { ... on Trip { id } } }", [], 3),
        ("query ($r: _Any!) { _entities(representations: [$r, $r]) { ... on Trip { id } } }", {}, 2),
        ("{ _entities(representations: 5) { ... on Trip { id } } }", [], 1),
    ],
)
def test_entities_cost_as_much_as_objects_are_asked_for(query: str, given: object, count: int) -> None:
    documents = Documents(build_schema(federation=True)._schema, introspection=True)  # pyright: ignore[reportPrivateUsage]
    assert operation(documents, query).estimate.of({"r": given}) == 200 + count * ENTITY_COST


def test_a_default_counts_where_no_representations_are_given() -> None:
    documents = Documents(build_schema(federation=True)._schema, introspection=True)  # pyright: ignore[reportPrivateUsage]
    query = ENTITIES.replace("!]!", "!]! = [1, 2]")
    assert operation(documents, query).estimate.of({}) == 200 + 2 * ENTITY_COST


@pytest.mark.parametrize(
    ("query", "same"),
    [
        ("{ me { id } me { id role } }", "{ me { id role } }"),
        ("{ ...F ...F me { ...U } } fragment F on Query { me { id } } fragment U on User { id }", "{ me { id } }"),
        ("{ me { ... on Node { id } ... { role } } }", "{ me { id role } }"),
        (
            "{ node(id: 1) { id ... on User { id role } ... on Trip { id } } }",
            "{ node(id: 1) { ... on Trip { id } } }",
        ),
    ],
)
def test_merged_fields_are_counted_once(documents: Documents, query: str, same: str) -> None:
    assert operation(documents, query).estimate.of({}) == operation(documents, same).estimate.of({})


def test_an_abstract_type_costs_as_much_as_its_most_costly_type(documents: Documents) -> None:
    either = operation(
        documents,
        "query ($n: Int!) { trips(first: $n) { nodes { id } } node(id: 1) { ... on User { role } "
        "... on Trip { history { at } } } }",
    )
    trip = operation(documents, "{ node(id: 1) { ... on Trip { history { at } } } }")
    page = operation(documents, "{ trips(first: 50) { nodes { id } } }")
    assert either.estimate.of({"n": 50}) == trip.estimate.of({}) + page.estimate.of({})


@pytest.mark.attack("cost")
@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (
            "query ($n: Int!) { trips(first: $n) { nodes { "
            + " ".join(f"a{n}: history {{ at }}" for n in range(50))
            + " } } }",
            {"n": 100},
        ),
        (
            "{"
            + " ".join(f"a{n}: trips(first: 100) {{ nodes {{ ...T }} }}" for n in range(9))
            + "} "
            + f"fragment T on Trip {{ {TRIP} }}",
            {},
        ),
        ("{ trips(first: 100) { nodes { " + " ".join(f"a{n}: pickUpEta" for n in range(50)) + " } } }", {}),
        (
            "mutation { "
            + " ".join(f'a{n}: logIn(username: "a", password: "{n}") {{ token }}' for n in range(2))
            + " }",
            {},
        ),
        ("{" + " ".join(f"a{n}: __schema {{ types {{ ...T }} }}" for n in range(20)) + "}" + ALL_OF_A_TYPE, {}),
    ],
    ids=["histories", "pages", "times of arrival", "log-ins", "introspection"],
)
def test_an_operation_that_would_block_the_process_is_refused(
    documents: Documents, query: str, variables: dict[str, Any]
) -> None:
    extensions = refusal(documents, query, **variables)
    assert extensions["code"] == "COST_ESTIMATED_TOO_EXPENSIVE"
    assert extensions["cost"]["estimated"] > extensions["cost"]["max"] == DEFAULT_LIMITS.cost


@pytest.mark.attack("cost")
def test_the_cost_of_a_page_uses_the_variable_and_not_the_default(documents: Documents) -> None:
    histories = " ".join(f"a{n}: history {{ at }}" for n in range(30))
    query = f"query ($n: Int! = 1) {{ trips(first: $n) {{ nodes {{ {histories} }} }} }}"
    operation(documents, query).check({})
    operation(documents, query).check({"n": 20})
    assert refusal(documents, query, n=100)["code"] == "COST_ESTIMATED_TOO_EXPENSIVE"


@pytest.mark.attack("cost")
def test_an_operation_that_grows_exponentially_with_fragments_is_refused() -> None:
    model = CostModel(build_from_sdl("type Query { a: Query b: Query }"), {"Query.a": 1, "Query.b": 1}, {})
    fragments = "".join(
        f" fragment F{n} on Query {{ a {{ ...F{n + 1} }} b {{ ...F{n + 1} }} }}" for n in range(40)
    )
    first, *others = parse("{ ...F0 }" + fragments + " fragment F40 on Query { __typename }").definitions
    named = {other.name.value: other for other in others if isinstance(other, FragmentDefinitionNode)}
    assert isinstance(first, OperationDefinitionNode)
    assert model.estimate(first, named).of({}) == inf


@pytest.mark.parametrize(
    "sdl", ["type Query { a: Int }", "type Query { me: [Int] }", "type Query { me: T } type T { a: [Int!]! }"]
)
def test_a_root_field_or_a_list_without_a_weight_stops_the_start(sdl: str) -> None:
    with pytest.raises(NoEstimate, match=r"schema/operations/cost_tables.py"):
        CostModel(build_from_sdl(sdl))


def _own_documents() -> dict[str, str]:
    """The operations of the project's own clients."""
    found = {
        f"{module.__name__}.{name}": value
        for module in (benchmarks.operations, simulation.operations, api)
        for name, value in vars(module).items()
        if isinstance(value, str) and value.strip().startswith(("query", "mutation", "subscription"))
    }
    for path in sorted((ROOT / "web" / "src" / "graphiql" / "examples").glob("*.graphql")):
        found[path.name] = path.read_text(encoding="utf-8")
    found |= _package_documents()
    return found


def _package_documents() -> dict[str, str]:
    """The operations of the client package, each with its fragments."""
    folder = ROOT / "clients" / "typescript" / "src" / "operations"
    together = parse("".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.graphql"))))
    return {f"client.{name}": print_ast(document) for name, document in separate_operations(together).items()}


@pytest.mark.parametrize(
    "query",
    [
        *_own_documents().values(),
        get_introspection_query(
            specified_by_url=True,
            directive_is_repeatable=True,
            schema_description=True,
            input_value_deprecation=True,
            one_of=True,
        ),
        # With every field of the schema.
        f"{{ trips(first: {MAX_PAGE}) {{ nodes {{ {EVERYTHING} }} pageInfo {{ {selection('PageInfo')} }} }} }}",
        f"{{ trips(first: {MAX_PAGE}) {{ edges {{ cursor node {{ {EVERYTHING} }} }} nodes {{ id }} }} }}",
        f"subscription {{ driverPool {{ ... on PoolSnapshot {{ {selection('PoolSnapshot')} }} "
        f"... on TripOffered {{ trip {{ {EVERYTHING} }} }} ... on TripWithdrawn {{ reason }} }} }}",
        f"subscription {{ myTripsUpdated {{ ... on MyTripsSnapshot {{ trips {{ {EVERYTHING} }} }} }} }}",
    ],
    ids=[*_own_documents(), "introspection", "a full page", "a full page of edges", "a full pool", "all my trips"],
)
def test_usual_operations_of_clients_are_within_the_limits(documents: Documents, query: str) -> None:
    document = documents.get(query)
    assert not document.errors, document.errors
    for each in document.operations:
        each.check({"first": 100, "n": 100})
