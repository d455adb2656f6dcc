"""Files of trusted documents, as the tools of client libraries write them."""

from hashlib import sha256
from typing import Any


def hash_of(query: str) -> str:
    """The SHA-256 of a text."""
    return sha256(query.encode()).hexdigest()


def apollo_manifest(*queries: str, **changes: Any) -> dict[str, Any]:
    """As `@apollo/generate-persisted-query-manifest` writes it."""
    operations = [{"id": hash_of(query), "name": "N", "type": "query", "body": query} for query in queries]
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations, **changes}
