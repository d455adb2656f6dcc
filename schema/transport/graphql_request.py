"""Reading a GraphQL request from its JSON, the same over HTTP and sockets.

Source: the GraphQL over HTTP specification, section 5.1
"""

from typing import Any, cast

from schema.operations.execution import Request
from schema.operations.persisted_queries import document_id


class NotARequest(ValueError):
    """The JSON is no GraphQL request. The text says why; ``is_batch``: it is a list of them."""

    def __init__(self, message: str, *, is_batch: bool = False) -> None:
        super().__init__(message)
        self.is_batch = is_batch


def read_request(data: Any) -> Request:
    """The request of a decoded JSON value. Raises: NotARequest."""
    if isinstance(data, list):
        raise NotARequest("Batches are not supported: send one request at a time.", is_batch=True)
    if not isinstance(data, dict):
        raise NotARequest("A GraphQL request is an object.")
    fields = cast("dict[str, Any]", data)
    query, name, variables = fields.get("query"), fields.get("operationName"), fields.get("variables")
    try:
        id = document_id(fields)
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
