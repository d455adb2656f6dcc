"""The limits of a document, checked before its validation."""

from typing import Any

import pytest

from application.execution import limits_of
from application.settings import Settings
from schema.api.errors import RequestError
from schema.build import build_schema
from schema.operations import documents as documents_module
from schema.operations.documents import Documents
from schema.operations.limits import DEFAULT_LIMITS, MAX_OPERATIONS, Limits, longest_list

SCHEMA = build_schema()._schema  # pyright: ignore[reportPrivateUsage]
LIMITS = Limits(chars=1_000, tokens=200, depth=4, aliases=3, directives=3, list_items=3, root_fields=3)


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(SCHEMA, introspection=True, limits=LIMITS)


def refusal(documents: Documents, query: str, **variables: Any) -> dict[str, Any] | None:
    """The extensions of the one error; None: the operation may run."""
    document = documents.get(query)
    if document.errors:
        (error,) = document.errors
        return error.extensions
    try:
        document.operation(None).check(variables)
    except RequestError as error:
        return error.extensions
    return None


def test_the_defaults_are_those_of_the_settings() -> None:
    assert limits_of(Settings(_env_file=None)) == DEFAULT_LIMITS  # pyright: ignore[reportCallIssue]


@pytest.mark.attack("cost")
@pytest.mark.parametrize(
    ("limit", "allowed", "refused", "found"),
    [
        ("CHARS", "{ me { id } }".ljust(1_000), "{ me { id } }".ljust(1_001), 1_001),
        ("CHARS", "{ me { id } }", '{ node(id: "' + "a" * 100_000 + '") { id } }', 100_023),
        ("DEPTH", "{ trips { nodes { rider { id } } } }", "{ trips { edges { node { rider { id } } } } }", 5),
        (
            "DEPTH",
            "{ ...A } fragment A on Query { trips { ...B } } "
            "fragment B on TripConnection { nodes { ... { id } } }",
            "{ trips { ...A } } fragment A on TripConnection { edges { node { ...B } } } "
            "fragment B on Trip { rider { id } }",
            5,
        ),
        ("ALIASES", "{ me { a: id b: id c: id } }", "{ me { a: id b: id c: id d: id } }", 4),
        (
            "ALIASES",
            "{ a: me { b: id ...F } } fragment F on User { c: id }",
            "{ a: me { b: id ...F } } fragment F on User { c: id id: id }",
            4,
        ),
        (
            "DIRECTIVES",
            "query @skip(if: true) { me @skip(if: true) { id @skip(if: true) } }".replace(
                "query @skip(if: true)", ""
            ),
            "query ($a: Int @a) @b { ... @c { me { ...F @d } } } fragment F on User @e { id @f }",
            6,
        ),
        ("DIRECTIVES", "{ me { id } }", "{ me { id " + "@a" * 40 + " } }", 40),
        (
            "LIST_ITEMS",
            "{ trips(status: [REQUESTED, STARTED, EXPIRED]) { nodes { id } } }",
            "{ trips(status: [REQUESTED, STARTED, EXPIRED, EXPIRED]) { nodes { id } } }",
            4,
        ),
        (
            "LIST_ITEMS",
            "query ($s: [TripStatus!] = [REQUESTED]) { trips(status: $s) { nodes { id } } }",
            "query ($s: [TripStatus!] = [EXPIRED, EXPIRED, EXPIRED, EXPIRED]) "
            "{ trips(status: $s) { nodes { id } } }",
            4,
        ),
        ("LIST_ITEMS", "{ me { id } }", "{ me { id @include(if: { a: [[1], [1, 2, 3, 4]] }) } }", 4),
        (
            "ROOT_FIELDS",
            "{ me { id } me { role } __typename trips { nodes { id } } }",
            "{ a: me { id } ... { b: me { id } } ...F } fragment F on Query { me { id } __typename }",
            4,
        ),
    ],
)
def test_as_many_as_the_limit_pass_and_one_more_is_refused(
    documents: Documents, limit: str, allowed: str, refused: str, found: int
) -> None:
    assert refusal(documents, allowed) is None
    most = getattr(LIMITS, limit.lower())
    assert refusal(documents, refused) == {"code": f"MAX_{limit}_LIMIT", "max": most, "found": found}


@pytest.mark.attack("cost")
@pytest.mark.parametrize("value", [["EXPIRED"] * 4, [["EXPIRED"] * 4], {"a": [1, 2, 3, 4]}])
def test_a_list_of_variables_is_measured_too(documents: Documents, value: object) -> None:
    query = "query ($s: [TripStatus!], $other: ID) { trips(status: $s) { nodes { id } } node(id: $other) { id } }"
    query = query.replace("$other: ID", "$other: ID!")
    assert refusal(documents, query, s=["EXPIRED"] * 3) is None
    assert refusal(documents, query, s=None) is None
    assert refusal(documents, query) is None
    assert refusal(documents, query, s=value) == {"code": "MAX_LIST_ITEMS_LIMIT", "max": 3, "found": 4}


def test_the_longest_list_is_found_however_deep_it_is() -> None:
    nested: Any = [1, 2, 3]
    for _ in range(5_000):
        nested = [{"a": nested}]
    assert longest_list(nested) == 3
    assert longest_list("abcdef") == longest_list(None) == longest_list({"a": 1}) == 0


@pytest.mark.attack("cost")
@pytest.mark.parametrize(
    "query",
    [
        "{ me {" + " id" * 900 + "} }",
        "{" + " me { id }" * 200 + "}",
        "{" + " ... on Query { me { id } }" * 110 + "}",
        "{"
        + " ".join(f"...F{n}" for n in range(80))
        + "}"
        + " ".join(f"fragment F{n} on Query {{ me {{ id }} }}" for n in range(80)),
        "{ me { id } } fragment Unused on Query {" + " me { id }" * 150 + "}",
        "{ me { id } } fragment Unused on Query {"
        + " ...G" * 9
        + "} fragment G on Query {"
        + " me { id }" * 150
        + "}",
        "{ ...F0 }"
        + "".join(f" fragment F{n} on Query {{ a {{ ...F{n + 1} }} b {{ ...F{n + 1} }} }}" for n in range(15))
        + " fragment F15 on Query { me { id } }",
    ],
)
def test_repetitions_are_refused_before_validation_compares_them(
    monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(documents_module, "validate", None)
    extensions = refusal(Documents(SCHEMA, introspection=True), query)
    assert extensions == {"code": "MAX_REPETITIONS_LIMIT"}


@pytest.mark.attack("cost")
@pytest.mark.parametrize(
    "query",
    [
        "{ ...F } fragment F on Query { ...F }",
        "{ me { ...F } } fragment F on User { ...G } fragment G on User { a { ...F } b { ...F } }",
        "{ me { id } } fragment F on User { ...G } fragment G on User { ...F }",
        "{ ...F } fragment F on Query {" + " me { id }" * 150 + "} fragment F on Query { me { id } }",
    ],
)
def test_invalid_fragments_are_refused_before_they_are_expanded(
    monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(documents_module, "validate", None)
    assert refusal(Documents(SCHEMA, introspection=True), query) == {"code": "GRAPHQL_VALIDATION_FAILED"}


@pytest.mark.attack("cost")
def test_a_document_of_too_many_operations_is_refused() -> None:
    documents = Documents(SCHEMA, introspection=True)
    operations = [f"query Q{n} {{ __typename }}" for n in range(MAX_OPERATIONS + 1)]
    assert not documents.get(" ".join(operations[:-1])).errors
    (error,) = documents.get(" ".join(operations)).errors
    assert error.extensions == {"code": "MAX_OPERATIONS_LIMIT", "max": MAX_OPERATIONS, "found": MAX_OPERATIONS + 1}


@pytest.mark.attack("cost")
def test_introspection_cannot_be_nested_in_a_circle() -> None:
    fields = "fields { type { " * 4 + "name" + " } }" * 4
    errors = Documents(SCHEMA, introspection=True).get(f"{{ __schema {{ types {{ {fields} }} }} }}").errors
    assert {error.message for error in errors} == {"Maximum introspection depth exceeded"}


def test_an_operation_is_not_refused_for_another_of_its_document(documents: Documents) -> None:
    document = documents.get(
        "query Small { me { id } } query Large { a: me { id } b: me { id } c: me { id } me { id } }"
    )
    document.operation("Small").check({})
    with pytest.raises(RequestError):
        document.operation("Large").check({})


@pytest.mark.attack("cost")
@pytest.mark.parametrize(
    "query",
    [
        "{ mee { id } }",
        "{ me { firstNam } }",
        "{ trip(idd: 1) { id } }",
        "{ trips(status: [REQUESTE]) { nodes { id } } }",
        "query ($a: TripStatu) { trips(status: [$a]) { nodes { id } } }",
        "{ node(id: 1) { ... on Trp { id } } }",
        "{ node(id: 1) { version } }",
        "{ me @skp(if: true) { id } }",
        "{ me @skip(i: true) { id } }",
        "mutation { createTrip(input: { pickUpAddres: 1 }) { errors { code } } }",
    ],
)
@pytest.mark.parametrize("off", [{"introspection": False}, {"introspection": True, "suggestions": False}])
def test_without_suggestions_an_error_does_not_suggest_names(query: str, off: dict[str, bool]) -> None:
    def messages(**options: Any) -> str:
        document = Documents(SCHEMA, **options).get(query)
        assert document.errors
        return " ".join(error.message for error in document.errors)

    assert "id you mean" in messages(introspection=True) or "@" in query
    assert "id you mean" not in messages(**off)
