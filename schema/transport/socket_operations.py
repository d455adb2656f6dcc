"""The running operations of one socket."""

import asyncio
import functools
from collections.abc import Callable, Hashable, Sequence

import orjson
from graphql import ExecutionResult, OperationType

from models.visibility import Actor
from schema.api.context import Context, Services
from schema.api.errors import RequestError, to_request_error
from schema.operations.documents import Operation
from schema.operations.execution import Execution, Refusal, Request, encode, is_subscription, timed_out
from schema.transport.delivery import Delivery
from schema.transport.send_queue import SendQueue
from schema.transport.socket_messages import CloseCode, Closed, OperationFraming, text_frame
from services.errors import DatabaseUnavailable, SessionEnded
from services.runtime.admission import Admission, Ticket
from services.runtime.tracebacks import forget_frames


class _Beginning:
    """An operation that has no result yet, or a subscription that has not started yet."""

    __slots__ = ("delivery", "task", "ticket")

    def __init__(self) -> None:
        self.ticket: Ticket | None = None
        self.task: asyncio.Task[None] | None = None
        self.delivery: Delivery | None = None

    def cancel(self) -> None:
        """Send nothing more. The task ends at its next step; its topics may fail before that."""
        if self.ticket is not None:
            # The task may not have begun, and then it never does.
            self.ticket.leave()
        if self.delivery is not None:
            self.delivery.cancel()
        if self.task is not None:
            self.task.cancel()


class SocketOperations:
    """The operations of a socket whose client has introduced itself, by the ids that the client gave them."""

    def __init__(
        self,
        execution: Execution,
        services: Services,
        send_queue: SendQueue,
        *,
        actor: Actor,
        token: str,
        is_own_page: bool,
        max_operations: int,
        admission: Admission,
        client: str,
        end_session: Callable[[], None],
        fail: Callable[[Exception], None],
        overloaded: Callable[[], None],
    ) -> None:
        """``end_session`` is called if the session of the token has ended, ``fail`` with an error after which the
        socket has to be closed. ``is_own_page``: see ``Context``. ``client``: whom ``admission`` counts it for."""
        self._loop = asyncio.get_running_loop()
        self._admission = admission
        self._client = client
        self._execution = execution
        self._services = services
        self._send_queue = send_queue
        self._send_queue.on_drained = self._catch_up
        self._actor = actor
        self._token = token
        self._is_own_page = is_own_page
        self._max_operations = max_operations
        self._end_session = end_session
        self._fail = fail
        self._overloaded = overloaded
        # An operation is removed when it has ended or was cancelled. It sends nothing more: its id may be reused.
        self._operations: dict[str, _Beginning | Delivery] = {}

    def begin(self, operation_id: str, request: Request) -> None:
        """Begin an operation. Raises: Closed, if an operation with this id is running."""
        self._check_is_new(operation_id)
        if len(self._operations) >= self._max_operations:
            error = RequestError("TOO_MANY_OPERATIONS", "Too many operations on one socket.")
            self._put_error(operation_id, [error.formatted])
            return
        operation = self._operations[operation_id] = _Beginning()
        # Only the text is known. Positions go to Redis, and must not stop because the database is slow.
        ticket = self._admission.begin(needs_database="reportLocation" not in (request.query or ""))
        if ticket is not None:
            self._start(operation, operation_id, request, ticket)
            return
        operation.ticket = self._admission.wait(
            self._client,
            functools.partial(self._start, operation, operation_id, request),
            functools.partial(self._turn_away, operation, operation_id, request),
            # A query that contains the word by chance only waits for longer.
            is_subscription="subscription" in (request.query or "subscription"),
        )

    def _start(self, operation: _Beginning, operation_id: str, request: Request, ticket: Ticket) -> None:
        operation.ticket = ticket
        # Not `asyncio.create_task`, which looks for the loop and gives the task a name.
        operation.task = self._loop.create_task(self._run(operation, operation_id, request, ticket))

    def _turn_away(self, operation: _Beginning, operation_id: str, request: Request, _: Ticket) -> None:
        """The server is overloaded. The operation was not read."""
        if request.query is not None and "subscription" in request.query:
            # Clients subscribe again after they have connected again, but not after an error.
            self._overloaded()
        elif self._ends(operation, operation_id):
            error = RequestError("OVERLOADED", "The server has too much to do at the moment.", retryAfter=1)
            self._put_error(operation_id, [error.formatted])

    def refuse(self, operation_id: str, error: RequestError) -> None:
        """Answer an operation that cannot begin. Raises: Closed, if an operation with this id is running."""
        self._check_is_new(operation_id)
        self._put_error(operation_id, [error.formatted])

    def complete(self, operation_id: str) -> None:
        """The client has ended an operation: send nothing more for it."""
        operation = self._operations.pop(operation_id, None)
        if operation is not None:
            operation.cancel()
        # The operation may have ended already, with its last frames still queued. The client may reuse the id.
        self._send_queue.drop(functools.partial(_is_of, operation_id))

    def cancel(self) -> None:
        """Send nothing more for any operation."""
        for operation in list(self._operations.values()):
            operation.cancel()

    def clear(self) -> None:
        """Cancel all operations and forget them: the connection has ended."""
        self.cancel()
        self._operations.clear()

    def _check_is_new(self, operation_id: str) -> None:
        if operation_id in self._operations:
            raise Closed(CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {operation_id[:60]} already exists")

    async def _run(self, operation: _Beginning, operation_id: str, request: Request, ticket: Ticket) -> None:
        limited = self._execution.time_limit.limited(operation.task)
        try:
            with limited:
                refusal = await self._execute(operation, operation_id, request)
        except DatabaseUnavailable as error:
            self._fail(error)
            return
        except Exception as error:
            refusal = Refusal(
                tuple(timed_out().errors or ()) if limited.has_expired else (to_request_error(error),)
            )
        finally:
            ticket.leave()
            # Break a reference cycle: this frame refers to the operation.
            operation.task = None
        if refusal is not None and self._ends(operation, operation_id):
            self._put_error(operation_id, refusal.formatted())

    async def _execute(self, beginning: _Beginning, operation_id: str, request: Request) -> Refusal | None:
        execution, services = self._execution, self._services
        operation = execution.prepare(request)
        if isinstance(operation, Refusal):
            return operation
        framing = OperationFraming(operation_id)
        if is_subscription(operation):
            following = await execution.follow(operation, request, self._context(self._actor))
            if isinstance(following, Refusal):
                return following
            delivery = beginning.delivery = Delivery(
                operation_id,
                following,
                framing,
                self._send_queue,
                services.hub,
                on_end=functools.partial(self._operations.pop, operation_id, None),
            )
            try:
                await delivery.begin()
            except asyncio.CancelledError:
                if self._operations.get(operation_id) is beginning:
                    # The start timed out. (If the client had completed it, its id could belong to another
                    # operation now.)
                    delivery.cancel()
                raise
            if self._operations.get(operation_id) is beginning:
                self._operations[operation_id] = delivery
            return None
        current: Actor | None = None
        if operation.needs_session_lookup:
            # The socket may be hours old: names and photos are read again for each operation.
            current = await services.sessions.actor_of(self._token)
            if current is None:
                self._end_session()
                return None
        result = await execution.run(operation, request, self._context(current or self._actor))
        if isinstance(result, Refusal):
            return result
        if current is None and result.errors and (failure := _closing_failure(operation, result)) is not None:
            for error in result.errors:
                # `encode` would drop the frames, but these errors are not sent.
                forget_frames(error)
            if isinstance(failure, SessionEnded):
                self._end_session()
            else:
                self._fail(failure)
            return None
        if self._ends(beginning, operation_id):
            payload = encode(result)
            # `next` and `complete` go in one write if the transport is writable.
            if not self._send_queue.put_at_once(framing.only(payload)):
                self._send_queue.put((operation_id, "result"), framing.next(payload))
                self._send_queue.put((operation_id, "complete"), framing.complete())
        return None

    def _context(self, actor: Actor) -> Context:
        return Context(self._services, actor, is_own_page=self._is_own_page)

    def _ends(self, operation: _Beginning, operation_id: str) -> bool:
        """Remove an operation. False: it was cancelled, and the client may have begun another with its id."""
        if self._operations.get(operation_id) is not operation:
            return False
        del self._operations[operation_id]
        return True

    def _put_error(self, operation_id: str, errors: Sequence[object]) -> None:
        message = {"id": operation_id, "type": "error", "payload": errors}
        self._send_queue.put((operation_id, object()), text_frame(orjson.dumps(message)))

    def _catch_up(self) -> None:
        for operation in list(self._operations.values()):
            if isinstance(operation, Delivery):
                operation.catch_up()


def _closing_failure(operation: Operation, result: ExecutionResult) -> SessionEnded | DatabaseUnavailable | None:
    """The failure of a field that closes the socket, as if the caller had been read first and that had failed.

    A query without the database is one: clients run it again on their next socket. A mutation is not: clients
    would send it again too, and it may have been done.
    """
    failures = [error.original_error for error in result.errors or ()]
    for failure in failures:
        if isinstance(failure, SessionEnded):
            return failure
    if operation.type is OperationType.QUERY:
        for failure in failures:
            if isinstance(failure, DatabaseUnavailable):
                return failure
    return None


def _is_of(operation_id: str, key: Hashable) -> bool:
    return isinstance(key, tuple) and key[0] == operation_id
