"""Automatic persisted queries: a request has the hash of a text instead of the text.

Source: Apollo's protocol, which urql implements too
"""

import hashlib
import sys

from schema.api.errors import RequestError
from schema.operations.documents import Document, Documents
from services.runtime.memory_cache import MemoryCache

REMEMBERED_BYTES = 4_000_000


def sha256(text: str) -> str:
    """The hash that stands for a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def mismatch() -> RequestError:
    """The error for a text that came with the hash of another text."""
    return RequestError("PERSISTED_QUERY_HASH_MISMATCH", "The hash is not that of the query.")


class PersistedQueries:
    """Finds the document of a request by its text, or by the hash of a text that was sent before.

    The server computes the hash itself, so no client can store another text under it. This process remembers the
    most recently used texts, ``REMEMBERED_BYTES`` at most; clients send any other text again.
    """

    def __init__(self, documents: Documents, *, remembers: bool) -> None:
        """``remembers``: False refuses requests that have only a hash."""
        self._documents = documents
        self._remembers = remembers
        self._texts = MemoryCache[str, str](REMEMBERED_BYTES)

    def find(self, query: str | None, id: str | None) -> Document:
        """The document with that text, or of the remembered text with that hash.

        Raises:
            RequestError: PERSISTED_QUERY_NOT_FOUND (clients then send the text); PERSISTED_QUERY_NOT_SUPPORTED
                (clients then send no more hashes); PERSISTED_QUERY_HASH_MISMATCH.
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
        """Remember a text that came with its hash, after ``find`` and all checks."""
        if not self._remembers or query is None or id is None or id in self._texts:
            return
        self._texts.put(id, query, sys.getsizeof(id) + sys.getsizeof(query))

    def _unknown(self) -> RequestError:
        # urql recognises these errors by their messages alone.
        if self._remembers:
            return RequestError("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
        return RequestError("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
