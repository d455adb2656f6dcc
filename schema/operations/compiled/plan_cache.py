"""Compiles operations that are sent repeatedly, and caches their plans."""

from collections.abc import Mapping
from typing import Any

import strawberry
from graphql import Executor, OperationType

from schema.operations.compiled.answers import Answers, Resolver
from schema.operations.compiled.arguments import Arguments
from schema.operations.compiled.plan import Field, Plan
from schema.operations.compiled.python_source import CannotCompile, Module
from schema.operations.documents import Operation
from schema.operations.executors import break_cycle
from services.runtime.memory_cache import MemoryCache
from services.runtime.tracebacks import forget_frames

# A plan takes 15 KB for a page of trips.
CACHED_BYTES = 20_000_000
# From this use on, an operation is compiled. Compiling costs about as much as one execution by graphql-core.
USES = 2

_NOT_GIVEN = object()


class PlanCache:
    """Compiles operations that are used often enough, in an LRU cache."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema
        # A Plan: compiled. None: cannot be compiled. A number: how often it was executed without a plan.
        self._plans = MemoryCache[tuple[object, ...], Plan | int | None](CACHED_BYTES)

    def find(self, operation: Operation, variables: Mapping[str, Any], *, uses: int | None = None) -> Plan | None:
        """The plan of an operation; None if graphql-core has to execute it.

        ``uses``: compile from this use on.
        """
        key: tuple[object, ...] = (operation.number,)
        if operation.condition_variables:
            conditions = [variables.get(name, _NOT_GIVEN) for name in operation.condition_variables]
            for value in conditions:
                if value is not True and value is not False and value is not _NOT_GIVEN:
                    return None
            key += (*conditions,)
        known = self._plans.get(key)
        if isinstance(known, Plan) or (known is None and key in self._plans):
            return known
        used = (known or 0) + 1
        if used < (USES if uses is None else uses):
            self._plans.put(key, used, 0)
            return None
        executor = Executor[Any].build(
            self._schema._schema,  # pyright: ignore[reportPrivateUsage]
            operation.document,
            raw_variable_values=dict(variables),
            operation_name=operation.name,
        )
        if not isinstance(executor, Executor):
            # These variables are not valid; those of the next request may be.
            for error in executor:
                forget_frames(error)
            return None
        plan = _compiled(self._schema, executor)
        break_cycle(executor)
        self._plans.put(key, plan, plan.bytes if plan is not None else 0)
        return plan


def _compiled(schema: strawberry.Schema, executor: Executor[Any]) -> Plan | None:
    """The plan of an executor's operation, for the present values of the variables in ``@skip`` and ``@include``.

    None if the operation cannot be compiled.
    """
    try:
        module = Module()
        arguments = Arguments(schema, executor, module)
        answers = Answers(schema, executor, module, arguments)
        root, selected = answers.root_fields()
        names: list[tuple[str, str, str, str]] = []
        for key, details in selected.items():
            definition = answers.definition(root, details)
            field = root.fields[details[0].node.name.value]
            resolver = Resolver(definition)
            if not resolver.is_async:
                raise CannotCompile
            names.append(
                (
                    key,
                    arguments.of(field, definition, details[0].node),
                    module.function(
                        "resolve", "o, run, arguments", [f"return {resolver.call(module, 'arguments')}"]
                    ),
                    answers.completing(field.type, details),
                )
            )
        reading = arguments.reading()
        function = module.load()
    except (CannotCompile, RecursionError):
        return None
    fields = tuple(Field(key, *map(function, functions)) for key, *functions in names)
    is_serial = len(fields) == 1 or executor.operation.operation is OperationType.MUTATION
    plan = Plan(module.text, module.bytes, fields, function(reading), is_serial)
    module.unload_with(plan)
    return plan
