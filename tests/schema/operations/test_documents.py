"""Documents are parsed once, within limits of time and memory; and which of them share an execution."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from schema.api.errors import RequestError
from schema.build import build_schema
from schema.operations import documents
from schema.operations.documents import Document, Documents
from schema.operations.limits import DEFAULT_LIMITS

SCHEMA = build_schema()._schema  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def cache() -> Documents:
    return Documents(SCHEMA, introspection=True)


def code(document: Document) -> Any:
    return (document.errors[0].extensions or {})["code"]


def test_an_equal_document_is_prepared_once(cache: Documents) -> None:
    assert cache.get("{ __typename }") is cache.get("{ __typename }")
    assert cache.get("{ __typename }") is not cache.get("{ __typename  }")
    assert cache.get("{") is cache.get("{")


# Documents by number, of each kind that takes far more memory than its characters.
WORST: dict[str, Callable[[int], str]] = {
    "short and invalid": lambda n: f"{{a{n:x}}}",
    "unparsable": lambda n: f"{{{n:x}",
    "short and valid": lambda n: f"{{x{n:x}:__typename}}",
    "an ordinary one": lambda n: (
        f"query Q{n:x}($i:ID!){{trip(id:$i){{id status rider{{id firstName}} driver{{id}}}}}}"
    ),
    "many errors": lambda n: "{" + " ".join(f"a{20 * n + i:x}" for i in range(20)) + "}",
    "long names in the errors": lambda n: "{" + " ".join("q" * 700 + f"{n:x}_{i}" for i in range(20)) + "}",
    "many operations": lambda n: "".join(f"query Q{n:x}_{i}{{__typename}}" for i in range(40)),
    "nested": lambda n: "{me" + 12 * "{...on User" + f"{{a{n:x}:id}}" + 12 * "}" + "}",
    "four bytes a character": lambda n: f"{{x{n:x}:__typename}}#" + 19_000 * "\U0001f600",
    "variables of all operations": lambda n: (
        "".join(f"query A{i}_{n:x}{{__typename}}" for i in range(40))
        + f"query B({' '.join(f'$v{i}:Boolean!' for i in range(9))}){{...F}} fragment F on Query"
        + f"{{{' '.join(f'__typename@skip(if:$v{i})' for i in range(9))}}}"
    ),
}


@pytest.mark.attack("cost")
@pytest.mark.parametrize("kind", WORST)
def test_the_cache_of_documents_takes_no_more_memory_than_the_bound(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make = WORST[kind]
    one = Documents(SCHEMA, introspection=True)
    one.get(make(10**6))
    # Room for a few; with less than 60 KB, memory that is not of documents would count too much.
    bound = min(max(60_000, 4 * one.bytes), 300_000)
    monkeypatch.setattr(documents, "CACHED_BYTES", bound)
    tracemalloc.start()
    cache = Documents(SCHEMA, introspection=True)
    try:
        cache.get(make(0))
        last = 3 * bound // (2 * cache.bytes)
        for number in range(1, last + 1):
            newest = cache.get(make(number))
        assert cache.get(make(last)) is newest
        gc.collect()
        full, _ = tracemalloc.get_traced_memory()
        del cache, newest
        gc.collect()
        taken = full - tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.4 * bound < taken < 1.1 * bound


def test_a_recently_used_document_stays_cached(cache: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "CACHED_BYTES", 100_000)
    cache = Documents(SCHEMA, introspection=True)
    first, second = cache.get("{ __typename }"), cache.get("{  __typename }")
    for number in range(50):
        cache.get(f"{{ a{number}: __typename }}")
        assert cache.get("{ __typename }") is first
    assert cache.get("{  __typename }") is not second


def test_a_document_that_would_take_a_large_part_of_the_cache_is_not_cached(
    cache: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "{ __typename }#" + 20_000 * "\U0001f600"
    assert cache.get(query) is cache.get(query)
    monkeypatch.setattr(documents, "CACHED_BYTES_EACH", 80_000)
    cache = Documents(SCHEMA, introspection=True)
    assert cache.get(query) is not cache.get(query)
    assert not cache.get(query).errors


def test_an_error_keeps_only_its_location_and_not_its_document(cache: Documents) -> None:
    for query, place in (("{\n  nothing }", (2, 3)), ("{ __typename ", (1, 14))):
        (error,) = cache.get(query).errors
        assert (error.nodes, error.source, error.__traceback__) == (None, None, None)
        assert error.formatted["locations"] == [{"line": place[0], "column": place[1]}]


def test_a_document_of_too_many_tokens_is_refused(cache: Documents) -> None:
    words = DEFAULT_LIMITS.tokens - len(["query", "{", "me", "{", "id", "}", "}"])
    assert code(cache.get("query { me {" + " id" * words + " id } }")) == "MAX_REPETITIONS_LIMIT"
    assert code(cache.get("query { me {" + " id" * words + " id id } }")) == "GRAPHQL_PARSE_FAILED"


def test_graphiqls_introspection_is_well_within_the_bound(cache: Documents) -> None:
    from graphql import get_introspection_query

    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    assert not cache.get(query).errors


def test_introspection_can_be_off() -> None:
    cache = Documents(SCHEMA, introspection=False)
    assert code(cache.get("{ __schema { types { name } } }")) == "GRAPHQL_VALIDATION_FAILED"
    assert not cache.get("{ __typename }").errors


@pytest.mark.parametrize(
    ("query", "name", "found"),
    [
        ("{ __typename }", None, None),
        ("query A { __typename }", None, "A"),
        ("query A { __typename }", "A", "A"),
        ("query A { __typename } mutation B { logOut { errors { code } } }", "B", "B"),
    ],
)
def test_the_only_operation_needs_no_name(
    cache: Documents, query: str, name: str | None, found: str | None
) -> None:
    assert cache.get(query).operation(name).name == found


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("query A { __typename } query B { __typename }", None),
        ("query A { __typename } query B { __typename }", "C"),
        ("{ __typename }", "A"),
        ("{ __typename }", ""),
    ],
)
def test_a_missing_operation_is_refused(cache: Documents, query: str, name: str | None) -> None:
    with pytest.raises(RequestError) as refused:
        cache.get(query).operation(name)
    assert refused.value.extensions == {"code": "OPERATION_RESOLUTION_FAILURE"}


@pytest.mark.parametrize(
    ("query", "shared"),
    [
        ("subscription ($id: ID!) { tripUpdated(id: $id) { id } }", set[str]()),
        ("subscription ($id: ID!, $a: Boolean!) { tripUpdated(id: $id) { id @include(if: $a) } }", {"a"}),
        (
            "subscription ($id: ID!, $a: Boolean!) { tripUpdated(id: $id) { ...F } } "
            "fragment F on Trip { rider { id @skip(if: $a) } }",
            {"a"},
        ),
        (
            "subscription ($id: ID!, $a: Boolean!) { ...S } "
            "fragment S on Subscription { tripUpdated(id: $id) { ... @include(if: $a) { id } } }",
            {"a", "id"},
        ),
    ],
)
def test_only_variables_below_the_root_field_set_executions_apart(
    cache: Documents, query: str, shared: set[str]
) -> None:
    document = cache.get(query)
    assert not document.errors
    assert document.operation(None).shared_variables == shared
