"""Documents that are asked for by the hash of their text.

Source: Apollo's protocol of automatic persisted queries, which urql speaks too
"""

import hashlib
import sys

from schema.api.errors import RequestError
from schema.operations.documents import Document, Documents
from services.runtime.memory import MemoryCache

REMEMBERED_BYTES = 4_000_000


def sha256(text: str) -> str:
    """The hash by which a text is asked for."""
    return hashlib.sha256(text.encode()).hexdigest()


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
