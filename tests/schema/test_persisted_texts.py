"""The texts that are known by their hashes, and the forms in which a request names one."""

import pytest

from schema import persisted_queries
from schema.documents import Documents
from schema.errors import RequestError
from schema.persisted_queries import PersistedQueries, document_id
from schema.schema import build_schema
from tests.support.manifests import hash_of

SCHEMA = build_schema()._schema  # pyright: ignore[reportPrivateUsage]


def test_an_id_beside_a_text_is_nobody_s_hash() -> None:
    assert document_id({"query": "{ me { id } }", "id": 7, "documentId": "x"}) is None
    assert document_id({"query": "{ me { id } }", "extensions": None}) is None
    assert document_id({"query": "{ me { id } }", "extensions": []}) is None


@pytest.mark.attack("cost")
def test_the_memory_for_texts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persisted_queries, "REMEMBERED_CHARS", 1_000)
    known = PersistedQueries(Documents(SCHEMA, introspection=True), remembers=True)

    def send(query: str) -> str:
        assert not known.find(query, hash_of(query)).errors
        known.accept(query, hash_of(query))
        return query

    used = send("query Used { me { id } }")
    queries = [send(f"query Q{n} {{ me {{ id }} }}".ljust(100)) for n in range(9)]
    assert known.find(None, hash_of(used)) is known.find(used, None)
    queries += [send(f"query R{n} {{ me {{ id }} }}".ljust(100)) for n in range(9)]
    for query in (used, *queries[-9:]):
        known.find(None, hash_of(query))
    for query in queries[:9]:
        with pytest.raises(RequestError):
            known.find(None, hash_of(query))


def test_a_server_without_them_says_so() -> None:
    query = "query { me { id } }"
    known = PersistedQueries(Documents(SCHEMA, introspection=True), remembers=False)
    assert not known.find(query, hash_of(query)).errors
    known.accept(query, hash_of(query))
    with pytest.raises(RequestError, match="hash is not that of the query"):
        known.find(query, hash_of("another"))
    with pytest.raises(RequestError, match=r"^PersistedQueryNotSupported$") as refused:
        known.find(None, hash_of(query))
    assert refused.value.extensions == {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}
