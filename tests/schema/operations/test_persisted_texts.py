"""The store of texts by their hashes."""

import gc
import tracemalloc

import pytest

from schema.api.errors import RequestError
from schema.build import build_schema
from schema.operations import persisted_queries
from schema.operations.documents import Documents
from schema.operations.persisted_queries import PersistedQueries
from tests.support.manifests import hash_of

SCHEMA = build_schema()._schema  # pyright: ignore[reportPrivateUsage]


@pytest.mark.attack("cost")
@pytest.mark.parametrize("filling", ["", "x" * 1_000, "\U0001f600" * 1_000])
def test_the_memory_for_texts_is_bounded(monkeypatch: pytest.MonkeyPatch, filling: str) -> None:
    bound = 200_000
    monkeypatch.setattr(persisted_queries, "REMEMBERED_BYTES", bound)
    known = PersistedQueries(Documents(SCHEMA, introspection=True), remembers=True)

    def send(number: int) -> str:
        query = f"{{x{number}:__typename}}#{filling}"
        hash = hash_of(query)
        known.accept(query, hash)
        return hash

    send(0)
    gc.collect()
    tracemalloc.start()
    try:
        used = send(1)
        for number in range(2, 1_000):
            newest = send(number)
            known.find(None, used)
        # Its cache of documents has another limit.
        known._documents = Documents(SCHEMA, introspection=True)  # pyright: ignore[reportPrivateUsage]
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.4 * bound < taken < 1.1 * bound
    for hash in (used, newest):
        assert not known.find(None, hash).errors
    for number in (0, 2, 3):
        with pytest.raises(RequestError):
            known.find(None, hash_of(f"{{x{number}:__typename}}#{filling}"))


def test_a_server_without_persisted_queries_says_so() -> None:
    query = "query { me { id } }"
    known = PersistedQueries(Documents(SCHEMA, introspection=True), remembers=False)
    assert not known.find(query, hash_of(query)).errors
    known.accept(query, hash_of(query))
    with pytest.raises(RequestError, match="hash is not that of the query"):
        known.find(query, hash_of("another"))
    with pytest.raises(RequestError, match=r"^PersistedQueryNotSupported$") as refused:
        known.find(None, hash_of(query))
    assert refused.value.extensions == {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}
