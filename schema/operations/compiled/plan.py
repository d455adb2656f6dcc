"""A compiled operation, and one execution of it. Exceptional cases go to graphql-core."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql.pyutils import gather_with_cancel

from models.frozen import frozen
from schema.operations.executors import Failure


class ResolverInfo:
    """The ``info`` argument of resolvers in a compiled operation. It has only the context."""

    __slots__ = ("context",)

    def __init__(self, context: object) -> None:
        self.context = context


class Run:
    """One execution: the ``info`` of its resolvers, and the values that are awaited."""

    __slots__ = ("awaited", "info", "variables")

    def __init__(self, info: ResolverInfo, variables: tuple[Any, ...]) -> None:
        self.info = info
        self.variables = variables
        # The parts of the answer that are not there yet.
        self.awaited: list[tuple[dict[str, Any], str, Any, Callable[..., Any]]] = []

    def later(self, answer: dict[str, Any], key: str, value: Any, complete: Callable[..., Any]) -> None:
        """Await a value in ``settle``, complete it, and put it into the answer."""
        self.awaited.append((answer, key, value, complete))

    async def settle(self) -> None:
        """Await all missing parts of the answer concurrently."""
        while self.awaited:
            waiting, self.awaited = self.awaited, []
            if len(waiting) == 1:
                values = [await waiting[0][2]]
            else:
                values = await gather_with_cancel(*(value for _, _, value, _ in waiting))
            for (answer, key, _, complete), value in zip(waiting, values, strict=True):
                answer[key] = complete(value, self)

    def abandon(self) -> None:
        """Close all coroutines that were not awaited."""
        for _, _, value, _ in self.awaited:
            value.close()
        self.awaited.clear()


@frozen
class Unfinished:
    """graphql-core has to make the answer. ``outcomes``: the results or errors of root fields resolved so far."""

    outcomes: Mapping[str, object]


@frozen
class Field:
    """A root field: its functions, and its key in the answer."""

    key: str
    arguments: Callable[[tuple[Any, ...]], dict[str, Any]]
    resolve: Callable[[object, Run, dict[str, Any]], Awaitable[Any]]
    complete: Callable[[Any, Run], Any]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Plan:
    """A compiled operation. ``text``: the source of its functions. ``bytes``: the memory that it takes.

    ``read_variables`` reads the variables of a request, also for ``event``; any Exception: they are not valid.
    """

    text: str
    bytes: int
    fields: tuple[Field, ...]
    read_variables: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    is_serial: bool

    async def execute(self, context: object, variables: Mapping[str, Any]) -> dict[str, Any] | Unfinished:
        """Run a query or a mutation; returns its data, or Unfinished if graphql-core has to make the answer.

        Every root field is resolved at most once, here or by graphql-core.
        """
        outcomes: dict[str, object] = {}
        try:
            run = Run(ResolverInfo(context), self.read_variables(variables))
            arguments = [field.arguments(run.variables) for field in self.fields]
        except Exception:
            return Unfinished(outcomes)
        try:
            if not self.is_serial:
                return await self._together(run, arguments, outcomes)
            data: dict[str, Any] = {}
            for field, given in zip(self.fields, arguments, strict=True):
                try:
                    outcome = outcomes[field.key] = await field.resolve(None, run, given)
                except Exception as error:
                    outcomes[field.key] = Failure(error)
                    raise
                data[field.key] = field.complete(outcome, run)
                if run.awaited:
                    await run.settle()
            return data
        except Exception:
            return Unfinished(outcomes)
        finally:
            if run.awaited:
                run.abandon()

    async def _together(
        self, run: Run, arguments: Sequence[dict[str, Any]], outcomes: dict[str, object]
    ) -> dict[str, Any]:
        fields = zip(self.fields, arguments, strict=True)
        resolved = await asyncio.gather(
            *(field.resolve(None, run, given) for field, given in fields), return_exceptions=True
        )
        for field, outcome in zip(self.fields, resolved, strict=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
                raise outcome
            outcomes[field.key] = Failure(outcome) if isinstance(outcome, Exception) else outcome
        data = {field.key: field.complete(outcomes[field.key], run) for field in self.fields}
        if run.awaited:
            await run.settle()
        return data

    async def subscribe(self, context: object, variables: Mapping[str, Any]) -> object:
        """The source of a subscription's events. A Failure if its resolver raises, Unfinished if the variables are
        not valid.
        """
        field = self.fields[0]
        try:
            run = Run(ResolverInfo(context), self.read_variables(variables))
            arguments = field.arguments(run.variables)
        except Exception:
            return Unfinished({})
        try:
            return await field.resolve(None, run, arguments)
        except Exception as error:
            return Failure(error)

    def event(self, event: object, info: ResolverInfo, variables: tuple[Any, ...]) -> tuple[dict[str, Any], Run]:
        """The data of a subscription's event, and the run, which may still have to settle.

        Raises: any Exception, if graphql-core has to execute the event.
        """
        run = Run(info, variables)
        field = self.fields[0]
        try:
            return {field.key: field.complete(event, run)}, run
        except BaseException:
            run.abandon()
            raise
