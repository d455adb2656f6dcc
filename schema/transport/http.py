"""GraphQL over HTTP."""

from collections.abc import Callable, Mapping, Sequence

import orjson
from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from schema.api.context import Context, Services
from schema.api.errors import RequestError, incident, retry_after_s
from schema.operations.documents import Operation
from schema.operations.execution import Execution, Refusal, Request, encode, is_subscription, timed_out
from schema.transport.client_info import HttpClientInfo
from schema.transport.credentials import Cookies
from schema.transport.event_stream import EventFraming
from schema.transport.http_request import (
    BadRequest,
    HttpRequest,
    content_type_of,
    from_form,
    from_json_body,
    from_query_string,
    read_form,
    skip_small_body,
)
from schema.transport.media_types import EVENT_STREAM, FORM, HTML, JSON, MULTIPART, RESPONSE_JSON, accepted
from schema.transport.multipart_stream import MultipartFraming
from schema.transport.origins import Origins
from schema.transport.socket_limit import SocketLimit, TooManySockets
from schema.transport.subscription_stream import StreamFraming, SubscriptionStream, single
from services.errors import DatabaseUnavailable

Page = Callable[[], Response]

_FRAMINGS: Mapping[str, StreamFraming] = {EVENT_STREAM: EventFraming(), MULTIPART: MultipartFraming()}

_SHOWN_MULTIPART = "multipart/mixed;subscriptionSpec=1.0"

# Answers belong to one caller, so no cache may keep them. They repeat input, so no browser may guess their type.
_HEADERS = [(b"cache-control", b"no-store"), (b"vary", b"Accept"), (b"x-content-type-options", b"nosniff")]


class JsonAnswer(Response):
    """An answer in JSON. It builds its few headers directly, which is faster than Starlette's way."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Part of Starlette's Response."""
        self.raw_headers = [
            *_HEADERS,
            (b"content-length", str(len(self.body)).encode()),
            (b"content-type", str(self.media_type).encode()),
        ]
        if headers:
            self.headers.update(headers)


class HttpEndpoint:
    """Serves ``/graphql``: queries by GET, all operations by POST, subscriptions as streams.

    ``page`` is the HTML page for browsers; None: there is none. ``trusts_loopback``: a loopback address is this
    machine itself, not the client of a proxy on it.
    """

    def __init__(
        self,
        execution: Execution,
        services: Services,
        *,
        origins: Origins,
        cookies: Cookies,
        limit: SocketLimit,
        max_json_bytes: int,
        page: Page | None,
        trusts_loopback: bool,
        own_pages: Origins,
    ) -> None:
        """``own_pages``: knows this server's own pages, and no others."""
        self._own_pages = own_pages
        self._execution = execution
        self._services = services
        self._origins = origins
        self._cookies = cookies
        self._limit = limit
        self._max_json_bytes = max_json_bytes
        self._page = page
        self._trusts_loopback = trusts_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; malformed ones get a 4xx with a GraphQL error."""
        http = HttpRequest(scope, receive)
        response = await self._respond(http)
        try:
            await response(scope, receive, send)
        except TooManySockets:
            error = RequestError("TOO_MANY_SOCKETS", "Too many sockets and event streams are open.")
            await _failed(http, error, 429)(scope, receive, send)

    def _client_info(self, http: HttpRequest) -> HttpClientInfo:
        return HttpClientInfo(
            http.scope,
            http.fields,
            self._cookies,
            trusts_loopback=self._trusts_loopback,
            own_pages=self._own_pages,
        )

    async def _respond(self, http: HttpRequest) -> Response:
        try:
            return await self._answer(http)
        except BadRequest as bad:
            return _failed(http, RequestError(bad.code, bad.message), bad.status, **bad.headers)
        except ClientDisconnect:
            # The client is gone. The 4xx is for the log: it was not the server's fault.
            return _failed(http, RequestError("BAD_REQUEST", "The body is incomplete."), 400)
        except DatabaseUnavailable as error:
            return _failed(http, incident(error), 503, **{"Retry-After": "1"})
        except Exception as error:
            return _failed(http, incident(error), 500)

    async def _answer(self, http: HttpRequest) -> Response:
        if http.method == "GET":
            if "query" not in http.query_params and self._page is not None and _is_browser(http):
                return self._page()
            return await self._execute(http, from_query_string(http))
        if http.method != "POST":
            raise BadRequest(405, "Use GET or POST.", Allow="GET, POST")
        content_type = content_type_of(http)
        if content_type == JSON:
            return await self._execute(http, await from_json_body(http, max_bytes=self._max_json_bytes))
        if content_type != FORM:
            await skip_small_body(http)
            raise BadRequest(415, f"Send {JSON} or {FORM}.", Accept=f"{JSON}, {FORM}")
        if not self._origins.allows_form(http.scope, http.fields):
            await skip_small_body(http)
            raise BadRequest(403, "Send the header GraphQL-Require-Preflight with a multipart request.")
        form = await read_form(http)
        try:
            return await self._execute(http, from_form(form))
        finally:
            await form.close()

    async def _execute(self, http: HttpRequest, request: Request) -> Response:
        media_type = _for_one_answer(http)
        if media_type is None:
            raise BadRequest(406, f"Accept {RESPONSE_JSON}, {JSON}, {EVENT_STREAM} or {_SHOWN_MULTIPART}.")
        operation = self._execution.prepare(request)
        if isinstance(operation, Refusal):
            return _refused(operation, media_type)
        if http.method == "GET" and operation.type is OperationType.MUTATION:
            raise BadRequest(405, "Send mutations by POST.", Allow="POST")
        limited = self._execution.time_limit.limited()
        try:
            with limited:
                return await self._run(http, operation, request, media_type)
        except TimeoutError:
            if not limited.has_expired:
                raise
            return _answer(encode(timed_out()), 200, media_type)

    async def _run(self, http: HttpRequest, operation: Operation, request: Request, media_type: str) -> Response:
        token = self._cookies.token(http.fields)
        if token and "authorization" not in http.fields and self._origins.is_foreign(http.scope, http.fields):
            # The page cannot read the answer, and mutations need a preflight. But this server would work in the
            # user's name, and the page could measure how long that takes.
            raise BadRequest(403, "This page's origin may not use the session: see TAXIRANK_ALLOWED_ORIGINS.")
        sessions = self._services.sessions
        find_actor = sessions.actor_of if operation.needs_session_lookup else sessions.recent_actor_of
        actor = await find_actor(token) if token else None
        context = Context(self._services, actor, self._client_info(http))
        if is_subscription(operation):
            stream_type = accepted(http.fields.get("accept"), EVENT_STREAM, MULTIPART)
            if stream_type is None:
                raise BadRequest(
                    406, f"Subscribe over a WebSocket, or accept {EVENT_STREAM} or {_SHOWN_MULTIPART}."
                )
            if http.method == "GET" and not self._origins.allows_form(http.scope, http.fields):
                raise BadRequest(403, "Send the header GraphQL-Require-Preflight to subscribe by GET.")
            following = await self._execution.follow(operation, request, context)
            if isinstance(following, Refusal):
                return _refused(following, media_type)
            return SubscriptionStream(
                self._services,
                following,
                _FRAMINGS[stream_type],
                actor=context.actor,
                limit=self._limit,
                timeout_s=self._execution.time_limit.seconds,
            )
        result = await self._execution.run(operation, request, context)
        if isinstance(result, Refusal):
            return _refused(result, media_type)
        response = _answer(encode(result), 200, media_type, _retry_after(result.errors))
        if context.set_token is not None:
            self._cookies.set(response, context.set_token)
        return response


def _is_browser(http: HttpRequest) -> bool:
    return accepted(http.fields.get("accept"), JSON, RESPONSE_JSON, HTML) == HTML


def _for_one_answer(http: HttpRequest) -> str | None:
    """The media type of an answer that is no stream. None: the client accepts none.

    JSON even if the client prefers multipart, as with Apollo's Router: its clients name both for a subscription,
    and read an answer in JSON like that to a query.
    """
    accept = http.fields.get("accept")
    preferred = accepted(accept, JSON, RESPONSE_JSON, EVENT_STREAM, MULTIPART)
    return accepted(accept, JSON, RESPONSE_JSON) or MULTIPART if preferred == MULTIPART else preferred


def _refused(refusal: Refusal, media_type: str) -> Response:
    """The answer to a well-formed request that is not executed.

    400; but 200 for clients of plain JSON, who could not tell a 400 from a proxy's (GraphQL over HTTP
    specification, "application/json"), and for clients of streams, who would not read the body of a 400.
    """
    body = orjson.dumps({"errors": refusal.formatted()})
    return _answer(body, 400 if media_type == RESPONSE_JSON else 200, media_type, _retry_after(refusal.errors))


def _retry_after(errors: Sequence[GraphQLError] | None) -> Mapping[str, str] | None:
    wait_s = retry_after_s(errors)
    return {"Retry-After": str(wait_s)} if wait_s is not None else None


def _answer(body: bytes, status: int, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    framing = _FRAMINGS.get(media_type)
    if framing is not None:
        return single(framing, framing.next(body), headers)
    return JsonAnswer(body, status, headers=headers, media_type=media_type)


def _failed(http: HttpRequest, error: RequestError, status: int, **headers: str) -> Response:
    """The answer to a bad HTTP request or to a failure of the server."""
    media_type = accepted(http.fields.get("accept"), JSON, RESPONSE_JSON) or JSON
    return _answer(orjson.dumps({"errors": [error.formatted]}), status, media_type, headers)
