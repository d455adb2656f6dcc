"""Reading a GraphQL request from an HTTP request.

Sources: the GraphQL over HTTP specification; https://github.com/jaydenseric/graphql-multipart-request-spec
"""

from typing import Any, cast

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request as StarletteRequest
from starlette.types import Receive, Scope

from schema.operations.execution import Request
from schema.transport.graphql_request import HasBadValue, NotARequest, NotJson, read_json, read_request
from schema.transport.headers import headers_of
from schema.transport.media_types import FORM, JSON, is_utf8

MAX_FILES = 5
MAX_FIELDS = 5
_SKIPPED_BYTES = 64 * 1024


class BadRequest(Exception):
    """The HTTP request does not carry a GraphQL request."""

    def __init__(self, status: int, message: str, *, code: str = "BAD_REQUEST", **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class HttpRequest(StarletteRequest):
    """An HTTP request, with its header fields as a dictionary."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self.fields = headers_of(scope)


def content_type_of(http: HttpRequest) -> str:
    """The media type of the body; an empty string without one.

    Raises:
        BadRequest: 415, the body is compressed, or in another charset than UTF-8 (RFC 8259, section 8.1; RFC 7578,
            section 5.1.2). Some codecs of Python decode bytes to lone surrogates.
    """
    media_type, *parameters = (part.strip().lower() for part in http.fields.get("content-type", "").split(";"))
    if media_type in (JSON, FORM) and not is_utf8(parameters):
        raise BadRequest(415, "The body must be UTF-8.")
    if http.fields.get("content-encoding", "identity").strip().lower() != "identity":
        raise BadRequest(415, "Compressed bodies are not supported.", **{"Accept-Encoding": "identity"})
    return media_type


async def skip_small_body(http: HttpRequest) -> None:
    """Read and discard up to 64 KiB of a body that is not used.

    The server closes the connection if more is left. A client that is still sending then sees a reset, and not the
    answer.
    """
    size = 0
    async for chunk in http.stream():
        size += len(chunk)
        if size > _SKIPPED_BYTES:
            return


def from_query_string(http: HttpRequest) -> Request:
    """Read a GET request. Raises: BadRequest."""
    params = http.query_params
    return _request(
        {
            "query": params.get("query"),
            "documentId": params.get("documentId"),
            "id": params.get("id"),
            "operationName": params.get("operationName") or None,
            "variables": _json(params["variables"], "variables") if params.get("variables") else None,
            "extensions": _json(params["extensions"], "extensions") if params.get("extensions") else None,
        }
    )


async def from_json_body(http: HttpRequest, *, max_bytes: int) -> Request:
    """Read a POST request of ``application/json``. Raises: BadRequest, with 413 above ``max_bytes``."""
    body, size = bytearray(), 0
    async for chunk in http.stream():
        size += len(chunk)
        if size <= max_bytes:
            body += chunk
    if size > max_bytes:
        # Read the rest first: a client that is still sending would see a reset, and not the answer.
        raise BadRequest(413, f"The JSON has more than {max_bytes} bytes.", code="PAYLOAD_TOO_LARGE")
    return _request(_json(bytes(body), "body"))


def from_form(form: FormData) -> Request:
    """Read a parsed ``multipart/form-data`` body. Raises: BadRequest."""
    operations, file_map = _json(form.get("operations"), "operations"), _json(form.get("map"), "map")
    request = _request(operations)
    if not isinstance(file_map, dict):
        raise BadRequest(400, "The map of a multipart request must be an object.")
    for key, paths in cast("dict[str, Any]", file_map).items():
        file = form.get(key)
        if not isinstance(file, UploadFile):
            raise BadRequest(400, f"The map names a file {key[:60]!r} that is not there.")
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in cast("list[Any]", paths)):
            raise BadRequest(400, "The map of a multipart request must list paths.")
        for path in cast("list[str]", paths):
            _put(request.variables, path, file)
    return request


async def read_form(http: HttpRequest) -> FormData:
    """Parse a ``multipart/form-data`` body. Raises: BadRequest."""
    parser = _FormParser(
        http.headers, http.stream(), max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=256 * 1024
    )
    try:
        form = await parser.parse()
    except (MultiPartException, MultipartParseError, ValueError, KeyError) as error:
        detail = error.message if isinstance(error, MultiPartException) else "malformed"
        raise BadRequest(400, f"The multipart body cannot be read: {detail}") from None
    if not parser.is_whole:
        parser.close()
        raise BadRequest(400, "The multipart body cannot be read: it has no last boundary.")
    return form


class _FormParser(MultiPartParser):
    """Starlette's parser, which accepts truncated bodies. This one also tells whether the body was complete."""

    is_whole = False

    def on_end(self) -> None:
        self.is_whole = True

    def close(self) -> None:
        """Close all files, including an incomplete one."""
        for file in self._files_to_close_on_error:
            file.close()


def _put(variables: dict[str, Any], path: str, file: UploadFile) -> None:
    """Put a file where its path points: at a null within the variables."""
    first, *steps = path.split(".")
    place: Any = variables
    if first != "variables" or not steps:
        raise BadRequest(400, f"The path {path[:60]!r} is not in the variables.")
    for index, step in enumerate(steps):
        try:
            at: Any = int(step) if isinstance(place, list) and step.isascii() and step.isdigit() else step
            value = place[at]
        # ValueError: more digits than Python reads.
        except (KeyError, IndexError, TypeError, ValueError):
            raise BadRequest(400, f"The path {path[:60]!r} does not exist.") from None
        if index < len(steps) - 1:
            place = value
        elif value is not None:
            raise BadRequest(400, f"There is no null at the path {path[:60]!r}.")
        else:
            place[at] = file


def _json(data: Any, what: str) -> Any:
    if not isinstance(data, str | bytes):
        raise BadRequest(400, f"The {what} is missing.")
    try:
        return read_json(data)
    except NotJson:
        raise BadRequest(400, f"The {what} is not JSON.") from None
    except HasBadValue as error:
        raise BadRequest(400, str(error), code="BAD_USER_INPUT") from None


def _request(data: Any) -> Request:
    try:
        request = read_request(data)
    except NotARequest as error:
        code = "BATCHING_NOT_SUPPORTED" if error.is_batch else "BAD_REQUEST"
        raise BadRequest(400, str(error), code=code) from None
    if request.query == "":
        raise BadRequest(400, "The query is missing.")
    return request
