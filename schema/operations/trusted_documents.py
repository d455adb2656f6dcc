"""An allow-list of documents: no other operation runs.

Sources: the manifest of ``@apollo/generate-persisted-query-manifest``; ``persisted-documents.json`` of GraphQL
Code Generator's client preset. The error codes are Apollo Router's.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import orjson

from schema.api.errors import RequestError
from schema.operations.documents import Document, Documents
from schema.operations.persisted_queries import mismatch, sha256


class BadManifest(Exception):
    """The file of trusted documents cannot be used. The text of the error is one line."""


class TrustedDocuments:
    """The documents that may run. A request has the id of one, the SHA-256 of its text, or exactly its text."""

    def __init__(self, documents: Documents, texts: Mapping[str, str]) -> None:
        """``texts``: the texts by id, from ``read_manifest``.

        Raises:
            BadManifest: a document is not valid, or exceeds a limit.
        """
        self._by_text = {text: _prepared(documents, id, text) for id, text in texts.items()}
        self._by_id = {sha256(text): document for text, document in self._by_text.items()}
        self._by_id.update((id, self._by_text[text]) for id, text in texts.items())

    def find(self, query: str | None, id: str | None) -> Document:
        """The document with that text or id.

        Raises:
            RequestError: PERSISTED_QUERY_NOT_IN_LIST (an id), QUERY_NOT_IN_SAFELIST (a text),
                PERSISTED_QUERY_HASH_MISMATCH.
        """
        named = self._by_id.get(id) if id is not None else None
        if id is not None and named is None:
            raise RequestError("PERSISTED_QUERY_NOT_IN_LIST", "There is no trusted document with that id.")
        if query is None:
            assert named is not None, "a request has a text or an id"
            return named
        document = self._by_text.get(query)
        if document is None:
            raise RequestError("QUERY_NOT_IN_SAFELIST", "This is not one of the trusted documents.")
        if named is not None and named is not document:
            raise mismatch()
        return document

    def accept(self, query: str | None, id: str | None) -> None:
        """Do nothing: the list never grows. Part of the interface of PersistedQueries."""


def read_manifest(path: Path) -> dict[str, str]:
    """Read a file of trusted documents; returns the texts by id.

    The file is a manifest of Apollo's, or a JSON object whose keys are ids and whose values are texts.

    Raises:
        BadManifest: the file cannot be read, or is neither of the two.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise BadManifest(f"it cannot be read ({error.strerror})") from None
    except orjson.JSONDecodeError as error:
        raise BadManifest(f"it is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise BadManifest("it is not a JSON object")
    content = cast("dict[str, Any]", content)
    texts: dict[str, str] = {}
    for id, text in _apollo_entries(content) if "format" in content else content.items():
        if not isinstance(id, str) or not id or not isinstance(text, str) or not text:
            raise BadManifest(f"its entry {str(id)[:80]!r} is not an id with the text of a document")
        if texts.setdefault(id, text) != text:
            raise BadManifest(f"it has two documents with the id {id[:80]!r}")
    if not texts:
        raise BadManifest("it lists no document")
    return texts


def _apollo_entries(content: dict[str, Any]) -> Iterable[tuple[object, object]]:
    if content["format"] != "apollo-persisted-query-manifest" or content.get("version") != 1:
        raise BadManifest("its format is not apollo-persisted-query-manifest, version 1")
    operations = content.get("operations")
    if not isinstance(operations, list):
        raise BadManifest("its operations are not a list")
    for operation in cast("list[object]", operations):
        if not isinstance(operation, dict):
            raise BadManifest("one of its operations is not an object")
        operation = cast("dict[str, object]", operation)
        yield operation.get("id"), operation.get("body")


def _prepared(documents: Documents, id: str, text: str) -> Document:
    document = documents.prepare(text)
    errors = document.errors
    try:
        for operation in document.operations:
            operation.check({})
    except RequestError as error:
        errors = [error]
    if errors:
        raise BadManifest(f"its document {id[:80]!r} cannot run: {' '.join(errors[0].message.split())}")
    return document
