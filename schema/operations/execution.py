"""Executes operations: queries and mutations for their caller, a subscription event once for all subscribers.

The phases of a request, in order: ``Execution.prepare`` finds the document, parsed, measured and validated
(``documents.py``, ``limits.py``), picks the operation and checks its cost (``cost.py``); ``run`` or ``follow``
coerces the variables and executes the operation, compiled (``compiled/``) or field by field (``executors.py``).

Longer than 300 lines because the phases are to be seen one after the other.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import field
from inspect import isawaitable
from time import perf_counter
from typing import Any, TypeGuard, cast
from uuid import UUID
from weakref import WeakValueDictionary, finalize

import orjson
import strawberry
import structlog
from graphql import (
    ExecutionResult,
    Executor,
    GraphQLError,
    OperationType,
    create_source_event_stream,
    execute_subscription_event,
)
from strawberry.execution.is_awaitable import optimized_is_awaitable

from models.frozen import frozen
from schema.api.context import Context, SharedContext
from schema.api.errors import RequestError, format_error, incident
from schema.api.feed_stream import FeedStream, ToEvent
from schema.operations.compiled.plan import Plan, ResolverInfo, Run, Unfinished
from schema.operations.compiled.plan_cache import PlanCache
from schema.operations.documents import Documents, Operation
from schema.operations.executors import Failure, FinishingExecutor, break_cycle, failed_subscription
from schema.operations.limits import DEFAULT_LIMITS, Limits
from schema.operations.persisted_queries import PersistedQueries
from schema.operations.trusted_documents import TrustedDocuments
from services.live.feeds import Feed
from services.live.messages import Content
from services.runtime.durations import Durations
from services.runtime.memory_cache import compact
from services.runtime.time_limit import TimeLimit

# Each event is executed once for each group. An app has a handful of subscriptions; without this bound, a user who
# writes each of theirs differently would cause a thousand executions for each event.
MAX_GROUPS_A_USER = 50

_log = structlog.stdlib.get_logger(__name__)

# Strawberry's function tests common plain types first, which saves a tenth of executing a page.
_is_awaitable = cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable)


@frozen
class Request:
    """A GraphQL request of any transport. It has the text of its document, the id of it, or both."""

    query: str | None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    document_id: str | None = None


@frozen
class Refusal:
    """The errors of a request that is not executed."""

    errors: tuple[GraphQLError, ...]

    def formatted(self) -> list[dict[str, Any]]:
        """The errors as they are sent."""
        return [format_error(error) for error in self.errors]


class Group:
    """Subscriptions that share one execution of each event.

    They have the same operation and the same values of all variables that are used below the root field. Whatever
    else depends on the viewer is in the content of the event.
    """

    _numbers = itertools.count()

    def __init__(self, rendering: Rendering, to_event: ToEvent) -> None:
        self._rendering = rendering
        self._to_event = to_event
        self.name = f"group {next(self._numbers)}"

    def render(self, content: Content) -> bytes | asyncio.Future[bytes]:
        """Execute the operation for one event and encode the result; a future if a resolver has to wait.

        Never raises: a failure of the server becomes a result with an incident id.
        """
        try:
            result = self._rendering.of(self._to_event(content))
        except Exception as error:
            return encode(ExecutionResult(None, [incident(error)]))
        if isinstance(result, ExecutionResult):
            return encode(result)
        return asyncio.ensure_future(_encode_later(result))


class Rendering:
    """Executes a subscription for each event: with its plan if possible, otherwise with graphql-core."""

    def __init__(
        self,
        plan: Plan | None,
        variables: Mapping[str, Any],
        context: SharedContext,
        build: Callable[[], Executor[Any]],
    ) -> None:
        """``build`` makes an executor of graphql-core."""
        self._variables: tuple[Any, ...] = ()
        try:
            if plan is not None:
                self._variables = plan.read_variables(variables)
        except Exception:
            # graphql-core has accepted these variables, but the plan cannot read them.
            plan = None
        self._plan = plan
        self._info = ResolverInfo(context)
        self._build = build

    def of(self, event: object) -> ExecutionResult | Awaitable[ExecutionResult]:
        """The result of an event. Raises: any Exception, for a failure of the server."""
        if self._plan is None:
            return self._without_plan(event)
        try:
            data, run = self._plan.event(event, self._info, self._variables)
        except Exception:
            return self._without_plan(event)
        return self._settled(data, run, event) if run.awaited else ExecutionResult(data, None)

    async def _settled(self, data: dict[str, Any], run: Run, event: object) -> ExecutionResult:
        try:
            await run.settle()
        except Exception:
            result = self._without_plan(event)
            return result if isinstance(result, ExecutionResult) else await result
        finally:
            run.abandon()
        return ExecutionResult(data, None)

    def _without_plan(self, event: object) -> ExecutionResult | Awaitable[ExecutionResult]:
        # A new executor for each event: it caches the subfields of each list of nodes, and each event has new
        # lists.
        return execute_subscription_event(self._build().build_per_event_executor(event))


async def _encode_later(result: Awaitable[ExecutionResult]) -> bytes:
    try:
        return encode(await result)
    except Exception as error:
        return encode(ExecutionResult(None, [incident(error)]))


@frozen
class Following:
    """A subscription that may begin: its feed, and the group with which it shares executions."""

    feed: Feed
    group: Group


class Execution:
    """Executes requests against the schema."""

    def __init__(
        self,
        schema: strawberry.Schema,
        *,
        introspection: bool,
        suggestions: bool = True,
        limits: Limits = DEFAULT_LIMITS,
        persisted_queries: bool = True,
        trusted: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        shares: bool = True,
        times: dict[tuple[str, str], Durations] | None = None,
    ) -> None:
        """``trusted``: the texts that may run, by id; None: any valid document. ``timeout_s``: the longest time of
        an operation, and of the start of a subscription. ``shares``: execute an event once for all equal
        subscriptions, not once for each. ``times``: where the times of queries and mutations are kept, by type and
        root field.

        Raises:
            BadManifest: a trusted document cannot run.
        """
        self.time_limit = TimeLimit(timeout_s)
        self._shares = shares
        self.times = times if times is not None else {}
        # Strawberry cannot execute one event for many subscriptions; graphql-core documents how.
        self._schema = schema._schema  # pyright: ignore[reportPrivateUsage]
        documents = Documents(self._schema, introspection=introspection, suggestions=suggestions, limits=limits)
        self._hides_suggestions = documents.hides_suggestions
        self._documents = (
            TrustedDocuments(documents, trusted)
            if trusted is not None
            else PersistedQueries(documents, remembers=persisted_queries)
        )
        self._plans = PlanCache(schema)
        self._groups: WeakValueDictionary[Hashable, Group] = WeakValueDictionary()
        # The number of groups that each user was the first to ask for.
        self._groups_of: Counter[UUID] = Counter()

    def prepare(self, request: Request) -> Operation | Refusal:
        """Find the operation of a request; a Refusal if it is not valid, or costs too much."""
        try:
            document = self._documents.find(request.query, request.document_id)
            if document.errors:
                return Refusal(tuple(document.errors))
            operation = document.operation(request.operation_name)
            operation.check(request.variables)
        except RequestError as error:
            return Refusal((error,))
        self._documents.accept(request.query, request.document_id)
        return operation

    async def run(self, operation: Operation, request: Request, context: Context) -> ExecutionResult | Refusal:
        """Execute a query or a mutation; a Refusal if its variables are not valid."""
        began_s = perf_counter()
        try:
            outcomes: Mapping[str, object] = {}
            plan = self._plans.find(operation, request.variables)
            if plan is not None:
                data = await plan.execute(context, request.variables)
                if not isinstance(data, Unfinished):
                    return ExecutionResult(data, None)
                outcomes = data.outcomes
            return await self._run_field_by_field(operation, request, context, outcomes)
        except Exception as error:
            return ExecutionResult(None, [incident(error)])
        finally:
            self._note_time(operation, perf_counter() - began_s)

    def _note_time(self, operation: Operation, taken_s: float) -> None:
        # Names of the schema, and nothing that a client chose: each stays for ever.
        times = self.times.get(operation.kind)
        if times is None:
            times = self.times[operation.kind] = Durations()
        times.add(taken_s)

    async def _run_field_by_field(
        self, operation: Operation, request: Request, context: Context, outcomes: Mapping[str, object]
    ) -> ExecutionResult | Refusal:
        """Execute with graphql-core what the plan has not done."""
        executor = self._build(operation, request, context)
        if isinstance(executor, Refusal):
            return executor
        executor.outcomes = outcomes
        try:
            result = cast("ExecutionResult | Awaitable[ExecutionResult]", executor.execute_operation())
            if isawaitable(result):
                result = await result
        finally:
            break_cycle(executor)
        if result.data is None and result.errors and all(e.path is None for e in result.errors):
            # Nothing was executed: the selections are nested too deeply.
            return Refusal(tuple(_as_bad_input(error) for error in result.errors))
        return result

    async def follow(self, operation: Operation, request: Request, context: Context) -> Following | Refusal:
        """Resolve a subscription to its feed and its group; a Refusal if it may not begin."""
        try:
            # Compiled at the first use, because each subscription has many events.
            plan = self._plans.find(operation, request.variables, uses=1)
            stream = await self._source(plan, operation, request, context)
        except Exception as error:
            return Refusal((incident(error),))
        if isinstance(stream, Refusal):
            return stream
        assert isinstance(stream, FeedStream), "every subscription of this schema follows a feed"
        try:
            return Following(stream.feed, self._group(plan, operation, request, context, stream.to_event))
        except RequestError as error:
            return Refusal((error,))

    async def _source(self, plan: Plan | None, operation: Operation, request: Request, context: Context) -> object:
        """What the resolver of a subscription returns; a Refusal if it raises or the variables are not valid."""
        source = await plan.subscribe(context, request.variables) if plan is not None else Unfinished({})
        if not isinstance(source, Unfinished | Failure):
            return source
        executor = self._build(operation, request, context)
        if isinstance(executor, Refusal):
            return executor
        try:
            if isinstance(source, Failure):
                return Refusal((failed_subscription(executor, source.error),))
            stream = create_source_event_stream(executor)
            if isawaitable(stream):
                stream = await stream
        finally:
            break_cycle(executor)
        return Refusal(tuple(stream.errors or ())) if isinstance(stream, ExecutionResult) else stream

    def _group(
        self, plan: Plan | None, operation: Operation, request: Request, context: Context, to_event: ToEvent
    ) -> Group:
        shared = {n: v for n, v in request.variables.items() if n in operation.shared_variables}
        key = (operation, compact(orjson.dumps(shared, option=orjson.OPT_SORT_KEYS)))
        group = self._groups.get(key) if self._shares else None
        if group is None:
            user_id = context.actor.id
            if self._shares and self._groups_of[user_id] >= MAX_GROUPS_A_USER:
                raise RequestError("TOO_MANY_OPERATIONS", "Too many different subscriptions are open.")
            shared_context = SharedContext(context.services)

            def build() -> Executor[Any]:
                executor = self._build(operation, request, shared_context)
                assert not isinstance(executor, Refusal), "it began"
                return executor

            rendering = Rendering(plan, request.variables, shared_context, build)
            group = self._groups[key] = Group(rendering, to_event)
            self._groups_of[user_id] += 1
            finalize(group, _forget, self._groups_of, user_id).atexit = False
        return group

    def _build(
        self,
        operation: Operation,
        request: Request,
        context: Context | SharedContext,
    ) -> FinishingExecutor | Refusal:
        executor = FinishingExecutor.build(
            self._schema,
            operation.document,
            raw_variable_values=request.variables,
            operation_name=operation.name,
            context_value=context,
            is_awaitable=_is_awaitable,
            hide_suggestions=self._hides_suggestions,
        )
        if isinstance(executor, FinishingExecutor):
            return executor
        assert isinstance(executor, list), "it has errors"
        return Refusal(tuple(_as_bad_input(error) for error in executor))


def is_subscription(operation: Operation) -> bool:
    """Whether the operation is a subscription."""
    return operation.type is OperationType.SUBSCRIPTION


def timed_out() -> ExecutionResult:
    """The answer to an operation that took too long. Writes that it has begun still commit."""
    _log.warning("an operation took too long")
    return ExecutionResult(None, [RequestError("TIMEOUT", "The operation took too long.")])


def encode(result: ExecutionResult) -> bytes:
    """The result as JSON."""
    payload: dict[str, Any] = {"data": result.data}
    if result.errors:
        payload["errors"] = [format_error(error) for error in result.errors]
    return orjson.dumps(payload)


def _forget(groups_of: Counter[UUID], user_id: UUID) -> None:
    groups_of[user_id] -= 1
    if not groups_of[user_id]:
        del groups_of[user_id]


def _as_bad_input(error: GraphQLError) -> GraphQLError:
    if error.original_error is None and "code" not in (error.extensions or {}):
        error.extensions = {**(error.extensions or {}), "code": "BAD_USER_INPUT"}
    return error
