"""Generates functions that convert the values of resolvers to the answer.

Each function takes a value and the ``Run``. It handles only values of the expected types and raises for all
others; graphql-core then makes the answer or the error from the same value.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum, EnumType
from functools import partial
from typing import Any, cast

import strawberry
from graphql import (
    Executor,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet, collect_fields
from strawberry.extensions import FieldExtension
from strawberry.schema import schema_converter
from strawberry.types.field import StrawberryField

from schema.api.long_list import LONG, LongList
from schema.operations.compiled.arguments import Arguments
from schema.operations.compiled.joined_pieces import as_it_is, joined
from schema.operations.compiled.python_source import CannotCompile, Module, NotAsExpected

# Larger selections are not compiled: clients do not send them repeatedly.
MAX_FIELDS = 1000


class Resolver:
    """Calls the resolver of a field as Strawberry does: with ``self`` and ``info`` if the function takes them."""

    def __init__(self, field: StrawberryField) -> None:
        """Raises: CannotCompile."""
        resolver = field.base_resolver
        if resolver is None:
            raise CannotCompile
        self.is_async = field.is_async
        self.function: Callable[..., Any] = resolver.wrapped_func  # pyright: ignore[reportAttributeAccessIssue]
        for extension in field.extensions:
            if (
                type(extension).map_arguments is not FieldExtension.map_arguments
                or type(extension).resolve_async is FieldExtension.resolve_async
                or not self.is_async
            ):
                raise CannotCompile
        self.extensions = field.extensions
        self._takes = [
            *(["o"] if resolver.self_parameter else []),
            *(
                f"{parameter.name}=o"
                for parameter in (resolver.parent_parameter, resolver.root_parameter)
                if parameter is not None
            ),
            *([f"{resolver.info_parameter.name}=run.info"] if resolver.info_parameter else []),
        ]

    def call(self, module: Module, arguments: str | None) -> str:
        """An expression that calls the resolver. ``arguments``: an expression for the dict of arguments, if it has
        any.
        """
        unpacked = [f"**{arguments}"] if arguments is not None else []
        if not self.extensions:
            function = module.constant(self.function, "resolve")
            return f"{function}({', '.join([*self._takes, *unpacked])})"
        called: Callable[..., Any] = _without_source_and_info(self.function, self._takes)
        for extension in self.extensions:
            called = partial(extension.resolve_async, called)
        return f"{module.constant(called, 'resolve')}({', '.join(['o', 'run.info', *unpacked])})"


def _without_source_and_info(function: Callable[..., Any], takes: list[str]) -> Callable[..., Any]:
    """The ``next_`` function of an extension, which always passes the source and ``info``; drops unused ones."""
    if takes not in ([], ["info=run.info"]):
        raise CannotCompile
    wants_info = bool(takes)

    def call(_source: object, info: object, **arguments: Any) -> Any:
        return function(info=info, **arguments) if wants_info else function(**arguments)

    return call


class Answers:
    """Generates the functions of one operation.

    graphql-core's executor collects the selected fields, so directives, fragments and merged fields behave exactly
    as there.
    """

    def __init__(
        self, schema: strawberry.Schema, executor: Executor[Any], module: Module, arguments: Arguments
    ) -> None:
        self._schema = schema
        self._types: GraphQLSchema = executor.schema
        self._executor = executor
        self._module = module
        self._arguments = arguments
        self._fields = 0
        self._leaves: dict[str, str] = {}

    def root_fields(self) -> tuple[GraphQLObjectType, GroupedFieldSet]:
        """The root type of the operation, and its selected fields."""
        executor = self._executor
        root = self._types.get_root_type(executor.operation.operation)
        assert root is not None, "the operation is valid"
        collected = collect_fields(
            self._types, executor.fragments, executor.variable_values, root, executor.operation
        )
        return root, self._counted(collected.grouped_field_set)

    def definition(self, parent: GraphQLObjectType, details: FieldDetailsList) -> StrawberryField:
        """Strawberry's definition of a field. Raises: CannotCompile for introspection fields."""
        definition = self._schema.get_field_for_type(details[0].node.name.value, parent.name)
        if definition is None:
            raise CannotCompile
        return definition

    def completing(self, type_: Any, details: FieldDetailsList) -> str:
        """Generate a function that converts a field's value to the answer; returns its name."""
        return self._module.function("complete", "v, run", [f"return {self._answer(type_, details, 'v')}"])

    def _answer(self, type_: Any, details: FieldDetailsList, value: str, depth: int = 0) -> str:
        """An expression that converts the variable ``value`` to the answer."""
        if is_non_null_type(type_):
            return self._present(type_.of_type, details, value, depth)
        return f"(None if {value} is None else {self._present(type_, details, value, depth)})"

    def _present(self, type_: Any, details: FieldDetailsList, value: str, depth: int) -> str:
        """As ``_answer``, for a value that is not null."""
        if is_list_type(type_):
            item = f"x{depth}"
            return self._module.items(self._answer(type_.of_type, details, item, depth + 1), item, value)
        if is_leaf_type(type_):
            return self._leaf(type_, value)
        if is_abstract_type(type_):
            functions = {
                self._module.constant(self._class_of(possible), "type"): self._object(possible, details)
                for possible in self._types.get_possible_types(type_)
            }
            return f"{self._module.table('functions', functions)}[type({value})]({value}, run)"
        return f"{self._object(type_, details)}({value}, run)"

    def _leaf(self, type_: GraphQLLeafType, value: str) -> str:
        leaf = self._leaves.get(type_.name)
        if leaf is None:
            leaf = self._leaves[type_.name] = self._leaf_template(type_)
        return leaf.format(value)

    def _leaf_template(self, type_: GraphQLLeafType) -> str:
        """The expression, with a placeholder for the name of the value."""

        def coerce(value: Any) -> Any:
            if value is None or value is Undefined:
                raise NotAsExpected
            return Executor.complete_leaf_value(type_, value)

        coerced = self._module.leaf(type_.name, coerce)
        if type_.name == "DateTime":
            # orjson writes the same text as `isoformat`, and faster.
            kind, utc = self._module.constant(datetime, "datetime"), self._module.constant(UTC, "utc")
            return f"({{0}} if type({{0}}) is {kind} and {{0}}.tzinfo is {utc} else {coerced})"
        enum = getattr(self._schema.get_type_by_name(type_.name), "wrapped_cls", None)
        if not isinstance(enum, EnumType):
            return coerced
        names = {member.value: type_.coerce_output_value(member) for member in cast("type[Enum]", enum)}
        kind, named = self._module.constant(enum, "enum"), self._module.constant(names, "names")
        return f"({named}[{{0}}._value_] if type({{0}}) is {kind} else {coerced})"

    def _object(self, type_: GraphQLObjectType, details: FieldDetailsList) -> str:
        """Generate the function of an object type; returns its name."""
        selected = self._executor.collect_subfields(type_, details)
        if selected.new_defer_usages:
            raise CannotCompile
        kind = self._module.constant(self._class_of(type_), "type")
        body = [f"if type(o) is not {kind}:", f"    {self._module.refusal}"]
        entries: list[str] = []
        later: list[str] = []
        for number, (key, field) in enumerate(self._counted(selected.grouped_field_set).items()):
            name = field[0].node.name.value
            if name == "__typename":
                entries.append(f"{key!r}: {type_.name!r}")
                continue
            definition, returned = self.definition(type_, field), type_.fields[name].type
            if getattr(type_.fields[name].resolve, "__module__", None) != schema_converter.__name__:
                # The resolver was replaced in the schema.
                raise CannotCompile
            value = f"v{number}"
            if definition.is_basic_field:
                body.append(f"{value} = o.{definition.python_name}")
                answer = self._answer(returned, field, value)
                if LONG.items() <= definition.metadata.items():
                    is_long = f"type({value}) is {self._module.constant(LongList, 'LongList')}"
                    answer = f"None if {is_long} else {answer}"
                    later.append(f"if {is_long}:")
                    later.append(f"    run.later(answer, {key!r}, {self._long(returned, field, value)})")
                entries.append(f"{key!r}: {answer}")
                continue
            resolver = Resolver(definition)
            call = resolver.call(self._module, self._arguments_of(type_.fields[name], definition, field))
            if not resolver.is_async:
                body.append(f"{value} = {call}")
                entries.append(f"{key!r}: {self._answer(returned, field, value)}")
                continue
            entries.append(f"{key!r}: None")
            later.append(f"run.later(answer, {key!r}, {call}, {self.completing(returned, field)})")
        body.append(f"answer = {{{', '.join(entries)}}}")
        return self._module.function(type_.name, "o, run", [*body, *later, "return answer"])

    def _arguments_of(
        self, field: GraphQLField, definition: StrawberryField, details: FieldDetailsList
    ) -> str | None:
        """An expression for the dict of a field's arguments; None if it has no arguments."""
        if not field.args:
            return None
        return f"{self._arguments.of(field, definition, details[0].node)}(run.variables)"

    def _long(self, type_: Any, details: FieldDetailsList, value: str) -> str:
        """The arguments of ``Run.later`` for a variable with a LongList."""
        list_type = type_.of_type if is_non_null_type(type_) else type_
        join, complete = self._module.constant(joined, "joined"), self.completing(list_type.of_type, details)
        return f"{join}({value}, {complete}, run), {self._module.constant(as_it_is, 'as_it_is')}"

    def _counted(self, fields: GroupedFieldSet) -> GroupedFieldSet:
        self._fields += len(fields)
        if self._fields > MAX_FIELDS:
            raise CannotCompile
        return fields

    def _class_of(self, type_: GraphQLObjectType) -> type:
        definition = self._schema.get_type_by_name(type_.name)
        origin = getattr(definition, "origin", None)
        if not isinstance(origin, type):
            raise CannotCompile
        return origin
