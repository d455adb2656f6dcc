"""Requests that name a document by the hash of its text instead of sending the text.

Sources: Apollo's protocol of automatic persisted queries (``extensions.persistedQuery``), which urql speaks too;
"Persisted Documents" of the GraphQL over HTTP drafts (``documentId``).
"""

import hashlib
import sys
from collections.abc import Mapping
from typing import Any, cast

from schema.api.errors import RequestError
from schema.operations.documents import Document, Documents
from services.runtime.memory import MemoryCache

REMEMBERED_BYTES = 4_000_000

_SHA256_PREFIX = "sha256:"


def sha256(text: str) -> str:
    """The hash by which a text is asked for."""
    return hashlib.sha256(text.encode()).hexdigest()


def document_id(message: Mapping[str, Any]) -> str | None:
    """The document that a request names: by ``extensions.persistedQuery``; or, where it has no text, by
    ``documentId`` or ``id``; or None.

    Raises:
        ValueError: it is malformed, or of a version that is not known.
    """
    extensions = message.get("extensions")
    persisted = cast("dict[str, Any]", extensions).get("persistedQuery") if isinstance(extensions, dict) else None
    if persisted is not None:
        if not isinstance(persisted, dict):
            raise ValueError("The persistedQuery is not an object.")
        persisted = cast("dict[str, Any]", persisted)
        if persisted.get("version") != 1:
            raise ValueError("Unsupported version of a persistedQuery.")
        given = persisted.get("sha256Hash")
    elif message.get("query"):
        return None
    else:
        given = message.get("documentId")
        given = message.get("id") if given is None else given
        if given is None:
            return None
    if not isinstance(given, str) or not given:
        raise ValueError("The id of a document is not a string.")
    return given.removeprefix(_SHA256_PREFIX)


def mismatch() -> RequestError:
    """The text does not have the hash that came with it."""
    return RequestError("PERSISTED_QUERY_HASH_MISMATCH", "The hash is not that of the query.")


class PersistedQueries:
    """Any document. One that came with its hash can then be asked for by that (automatic persisted queries).

    A hash never stands for another text: it is computed here. The texts that were used last are remembered, up to
    ``REMEMBERED_BYTES`` together, by this process alone; for any other, clients send the text again.
    """

    def __init__(self, documents: Documents, *, remembers: bool) -> None:
        """``remembers``: False refuses requests by hash."""
        self._documents = documents
        self._remembers = remembers
        self._texts = MemoryCache[str, str](REMEMBERED_BYTES)

    def find(self, query: str | None, id: str | None) -> Document:
        """The document of that text, or that was remembered by that hash.

        Raises:
            RequestError: PERSISTED_QUERY_NOT_FOUND, on which clients send the text;
                PERSISTED_QUERY_NOT_SUPPORTED, on which they ask no more;
                PERSISTED_QUERY_HASH_MISMATCH.
        """
        if query is None:
            text = self._texts.get(id or "")
            if text is None:
                raise self._unknown()
            return self._documents.get(text)
        if id is not None and self._texts.get(id) != query and sha256(query) != id:
            raise mismatch()
        return self._documents.get(query)

    def accept(self, query: str | None, id: str | None) -> None:
        """Remember a text that ``find`` was given and that is within all limits."""
        if not self._remembers or query is None or id is None or id in self._texts:
            return
        self._texts.put(id, query, sys.getsizeof(id) + sys.getsizeof(query))

    def _unknown(self) -> RequestError:
        # urql recognises these errors by their messages alone.
        if self._remembers:
            return RequestError("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
        return RequestError("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
