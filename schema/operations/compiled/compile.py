"""Compiles an operation: writes its functions, and makes the plan that runs them."""

from typing import Any

import strawberry
from graphql import Executor, OperationType

from schema.operations.compiled.answers import Answers, Resolver
from schema.operations.compiled.arguments import Arguments
from schema.operations.compiled.plan import Field, Plan
from schema.operations.compiled.python_source import CannotCompile, Module


def compile_operation(schema: strawberry.Schema, executor: Executor[Any]) -> Plan | None:
    """Compile the operation of an executor, for the present values of the variables in ``@skip`` and ``@include``.

    Returns None if it cannot be compiled.
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
