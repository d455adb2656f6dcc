"""Reading a GraphQL request from JSON, the same over HTTP and sockets.

Sources: the GraphQL over HTTP specification, section 5.1; "Persisted Documents" of its drafts (``documentId``);
Apollo's protocol of automatic persisted queries (``extensions.persistedQuery``)
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn, cast

import orjson

from schema.operations.execution import Request

_SHA256_PREFIX = "sha256:"


class NotJson(ValueError):
    """The text is not JSON, or is nested too deeply."""


class HasBadValue(ValueError):
    """Valid JSON, but one of its values cannot be represented. ``loose``: the text, decoded anyway."""

    def __init__(self, message: str, loose: Any) -> None:
        super().__init__(message)
        self.loose = loose


def read_json(data: str | bytes) -> Any:
    """Decode JSON. If a key occurs twice in one object, the last one counts.

    Raises:
        NotJson: also for NaN and infinities.
        HasBadValue: a lone surrogate (half of an emoji, where a client cut a text between its two UTF-16 units),
            or a number that no double holds.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _why_not(data) from None


class NotARequest(ValueError):
    """The JSON is not a GraphQL request. The text says why; ``is_batch``: it is a list of requests."""

    def __init__(self, message: str, *, is_batch: bool = False) -> None:
        super().__init__(message)
        self.is_batch = is_batch


def read_request(data: Any) -> Request:
    """The request of a decoded JSON value. Raises: NotARequest."""
    if isinstance(data, list):
        raise NotARequest("Batches are not supported: send one request at a time.", is_batch=True)
    if not isinstance(data, dict):
        raise NotARequest("A GraphQL request must be an object.")
    fields = cast("dict[str, Any]", data)
    query, name, variables = fields.get("query"), fields.get("operationName"), fields.get("variables")
    try:
        id = _document_id(fields)
    except ValueError as error:
        raise NotARequest(str(error)) from None
    if id is not None and not query:
        query = None
    elif not isinstance(query, str):
        raise NotARequest("The query is missing.")
    if name is not None and not isinstance(name, str):
        raise NotARequest("The operationName is not a string.")
    if variables is not None and not isinstance(variables, dict):
        raise NotARequest("The variables are not an object.")
    if fields.get("extensions") is not None and not isinstance(fields["extensions"], dict):
        raise NotARequest("The extensions are not an object.")
    return Request(query, name, cast("dict[str, Any]", variables or {}), id)


def _document_id(message: Mapping[str, Any]) -> str | None:
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


def _why_not(data: str | bytes) -> NotJson | HasBadValue:
    # Python's own parser accepts lone surrogates and numbers that are too large.
    try:
        text = data.decode() if isinstance(data, bytes) else data
        # parse_int: it reads no integers of more than 4,300 digits.
        loose = json.loads(text, parse_int=float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return NotJson()
    try:
        json.dumps(loose, ensure_ascii=False, allow_nan=True).encode()
    except UnicodeEncodeError:
        return HasBadValue("A text has half of a character (a lone surrogate).", loose)
    except RecursionError:
        return NotJson()
    return HasBadValue("A number is too large.", loose)


def _refuse(_: str) -> NoReturn:
    raise ValueError
