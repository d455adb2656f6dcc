"""Documents: parsed once, within bounds of time and memory, and what an execution shares."""

from typing import Any

import pytest

from schema import documents
from schema.documents import Document, Documents
from schema.errors import RequestError
from schema.limits import DEFAULT_LIMITS
from schema.schema import build_schema

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


def test_the_memory_of_the_cache_is_bounded(cache: Documents) -> None:
    first = cache.get("{ __typename }")
    for number in range(2 * documents.CACHED_CHARS // 10_000):
        cache.get(f"{{ a{number}: __typename }}".ljust(10_000))
    assert cache.get("{ __typename }") is not first
    assert cache._cached_chars == sum(map(len, cache._cache)) <= documents.CACHED_CHARS  # pyright: ignore[reportPrivateUsage]


def test_a_document_that_was_used_lately_stays(cache: Documents) -> None:
    first = cache.get("{ __typename }")
    for number in range(2 * documents.CACHED_CHARS // 10_000):
        cache.get(f"{{ a{number}: __typename }}".ljust(10_000))
        assert cache.get("{ __typename }") is first


def test_a_long_document_is_not_kept(cache: Documents) -> None:
    query = "{ __typename }".ljust(documents.CACHED_CHARS_EACH + 1)
    assert cache.get(query) is not cache.get(query)
    assert not cache.get(query).errors


def test_a_document_of_too_many_words_is_refused(cache: Documents) -> None:
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
def test_an_operation_that_is_not_there_is_refused(cache: Documents, query: str, name: str | None) -> None:
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
