"""GraphQL over HTTP."""

from collections.abc import Callable

import orjson
from graphql import OperationType
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from schema.context import Context, Services, Transport
from schema.errors import RequestError, incident
from schema.execution import Execution, Refusal, Request, encode, is_subscription
from schema.transport.credentials import Cookies
from schema.transport.event_stream import EventStream
from schema.transport.http_request import (
    BadRequest,
    from_form,
    from_json_body,
    from_query_string,
    read_form,
)
from schema.transport.media_types import EVENT_STREAM, HTML, JSON, RESPONSE_JSON, accepted
from schema.transport.origins import Origins

Page = Callable[[], Response]


class HttpEndpoint:
    """Serves ``/graphql``: queries by GET, everything by POST, subscriptions as server-sent events, and a page
    for people (``page``, unless it is None) who open the address in a browser.
    """

    def __init__(
        self,
        execution: Execution,
        services: Services,
        *,
        origins: Origins,
        cookies: Cookies,
        page: Page | None,
    ) -> None:
        self._execution = execution
        self._services = services
        self._origins = origins
        self._cookies = cookies
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; malformed ones get a 4xx with a GraphQL error."""
        response = await self._respond(HttpRequest(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, http: HttpRequest) -> Response:
        try:
            return await self._answer(http)
        except BadRequest as bad:
            error = RequestError("BAD_REQUEST", bad.message)
            return _response(http, {"errors": [error.formatted]}, bad.status, headers=bad.headers)
        except Exception as error:
            return _response(http, {"errors": [incident(error).formatted]}, 500)

    async def _answer(self, http: HttpRequest) -> Response:
        if http.method == "GET":
            if "query" not in http.query_params and self._page is not None and _is_browser(http):
                return self._page()
            return await self._execute(http, from_query_string(http))
        if http.method != "POST":
            raise BadRequest(405, "Use GET or POST.", Allow="GET, POST")
        content_type = http.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type == JSON:
            return await self._execute(http, await from_json_body(http))
        if content_type != "multipart/form-data":
            raise BadRequest(415, "Send application/json or multipart/form-data.")
        if not self._origins.allows_form(http.scope, http.headers):
            raise BadRequest(403, "Send the header GraphQL-Require-Preflight with a multipart request.")
        form = await read_form(http)
        try:
            return await self._execute(http, from_form(form))
        finally:
            await form.close()

    async def _execute(self, http: HttpRequest, request: Request) -> Response:
        media_type = accepted(http.headers.get("accept"), JSON, RESPONSE_JSON, EVENT_STREAM)
        if media_type is None:
            raise BadRequest(406, f"Accept {RESPONSE_JSON}, {JSON} or {EVENT_STREAM}.")
        operation = self._execution.prepare(request)
        if isinstance(operation, Refusal):
            return _refused(http, operation)
        if http.method == "GET" and operation.type is OperationType.MUTATION:
            raise BadRequest(405, "Send mutations by POST.", Allow="POST")
        token = self._cookies.token(http.headers)
        actor = await self._services.sessions.actor_of(token) if token else None
        context = Context(self._services, Transport.HTTP, actor)
        if is_subscription(operation):
            if media_type != EVENT_STREAM and not _takes_events(http):
                raise BadRequest(406, f"Subscribe over a WebSocket, or accept {EVENT_STREAM}.")
            if http.method == "GET" and not self._origins.allows_form(http.scope, http.headers):
                raise BadRequest(403, "Send the header GraphQL-Require-Preflight to subscribe by GET.")
            following = await self._execution.follow(operation, request, context)
            if isinstance(following, Refusal):
                return _refused(http, following)
            return EventStream(self._services, following, session_id=context.actor.session_id)
        result = await self._execution.run(operation, request, context)
        if isinstance(result, Refusal):
            return _refused(http, result)
        if media_type == EVENT_STREAM:
            media_type = JSON
        response = Response(encode(result), media_type=media_type)
        if context.set_token is not None:
            self._cookies.set(response, context.set_token)
        return response


def _is_browser(http: HttpRequest) -> bool:
    return accepted(http.headers.get("accept"), JSON, RESPONSE_JSON, HTML) == HTML


def _takes_events(http: HttpRequest) -> bool:
    return accepted(http.headers.get("accept"), EVENT_STREAM) is not None


def _refused(http: HttpRequest, refusal: Refusal) -> Response:
    """A well-formed request that is not executed: 400, but 200 for clients of plain JSON (the specification's
    "application/json" section: they could not tell it from a proxy's error)."""
    return _response(http, {"errors": refusal.formatted()}, 400 if _is_modern(http) else 200)


def _is_modern(http: HttpRequest) -> bool:
    return accepted(http.headers.get("accept"), JSON, RESPONSE_JSON) == RESPONSE_JSON


def _response(
    http: HttpRequest, body: dict[str, object], status: int, *, headers: dict[str, str] | None = None
) -> Response:
    media_type = RESPONSE_JSON if _is_modern(http) else JSON
    return Response(orjson.dumps(body), status, headers=headers, media_type=media_type)
