"""Generates functions that read the variables of a request and make the arguments of resolvers.

They create what Strawberry passes to a resolver: instances of input types, members of enums. They raise for any
value that is not of the expected type; graphql-core then reads the variables and reports the error.
"""

import dataclasses
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, cast

import strawberry
from graphql import (
    Executor,
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLLeafType,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    type_from_ast,
)
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryMaybe, StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.unset import UNSET

from schema.operations.compiled.python_source import CannotCompile, Module, NotAsExpected

MISSING = object()


class _Value(NamedTuple):
    """An expression for a value, and whether it may evaluate to ``MISSING``."""

    code: str
    may_be_missing: bool = False
    may_be_null: bool = True


class Arguments:
    """Generates the functions of one operation."""

    def __init__(self, schema: strawberry.Schema, executor: Executor[Any], module: Module) -> None:
        self._names = schema.config.name_converter
        self._schema = schema
        self._module = module
        self._leaves: dict[str, str] = {}
        self._readers: dict[str, str] = {}
        self._begun: set[str] = set()
        self._variables: dict[str, _Value] = {}
        self._reading: list[str] = []
        missing = self._missing
        for number, node in enumerate(executor.operation.variable_definitions or ()):
            name = node.variable.name.value
            type_ = cast("GraphQLInputType", type_from_ast(executor.schema, node.type))
            value, required = f"v{number}", is_non_null_type(type_)
            read = self._read(type_, value)
            self._reading.append(f"{value} = raw.get({name!r}, {missing})")
            if node.default_value is not None:
                otherwise = self._constant(coerce_input_literal(node.default_value, type_))
                self._reading.append(f"{value} = {otherwise} if {value} is {missing} else {read}")
            elif required:
                # What is missing is no value of any type.
                self._reading.append(f"{value} = {read}")
            else:
                self._reading += [f"if {value} is not {missing}:", f"    {value} = {read}"]
            self._variables[name] = _Value(
                f"v[{number}]",
                may_be_missing=not required and node.default_value is None,
                may_be_null=not required,
            )

    def reading(self) -> str:
        """Generate a function that returns all variables of a request as a tuple; returns its name."""
        values = "".join(f"v{number}, " for number in range(len(self._variables)))
        return self._module.function("variables", "raw", [*self._reading, f"return ({values})"])

    def of(self, field: GraphQLField, definition: StrawberryField, node: FieldNode) -> str:
        """Generate a function that makes a field's arguments from the variables; returns its name."""
        nodes = {argument.name.value: argument.value for argument in node.arguments or ()}
        entries, later = list[str](), list[str]()
        for argument in definition.arguments:
            name = self._names.from_argument(argument)
            python_name, declared = argument.python_name, field.args[name]
            _check(argument)
            value = self._given(nodes[name], declared) if name in nodes else None
            default = coerce_default_value(declared)
            if default is not Undefined:
                entries.append(f"{python_name!r}: {self._or(value, self._constant(default))}")
            elif value is None:
                # The function's own default.
                continue
            elif value.may_be_missing:
                later += [
                    f"if {value.code} is not {self._missing}:",
                    f"    answer[{python_name!r}] = {value.code}",
                ]
            else:
                entries.append(f"{python_name!r}: {value.code}")
        body = [f"answer = {{{', '.join(entries)}}}", *later, "return answer"]
        return self._module.function("arguments", "v", body)

    @property
    def _missing(self) -> str:
        return self._module.constant(MISSING, "missing")

    def _given(self, node: ValueNode, declared: GraphQLArgument | GraphQLInputField) -> _Value:
        """The value of an argument or input field in the document."""
        value = self._written(node, declared.type)
        if is_non_null_type(declared.type) and value.may_be_null:
            checked = self._module.constant(_not_null, "not_null")
            return value._replace(code=f"{checked}({value.code})", may_be_null=False)
        return value

    def _written(self, node: ValueNode, type_: Any) -> _Value:
        if isinstance(node, VariableNode):
            return self._variables[node.name.value]
        if is_non_null_type(type_):
            type_ = type_.of_type
        if isinstance(node, NullValueNode):
            return _Value("None")
        if is_list_type(type_):
            items = [
                self._written(item, type_.of_type)
                for item in (node.values if isinstance(node, ListValueNode) else (node,))
            ]
            if any(
                item.may_be_missing or (item.may_be_null and is_non_null_type(type_.of_type)) for item in items
            ):
                raise CannotCompile
            return _Value(f"[{', '.join(item.code for item in items)}]", may_be_null=False)
        if is_input_object_type(type_):
            assert isinstance(node, ObjectValueNode), "the operation is valid"
            return _Value(self._object_written(node, type_), may_be_null=False)
        value = coerce_input_literal(node, type_)
        if value is Undefined:
            raise CannotCompile
        return _Value(self._module.constant(value, "value"), may_be_null=False)

    def _object_written(self, node: ObjectValueNode, type_: GraphQLInputObjectType) -> str:
        """An expression for an input object literal."""
        nodes = {field.name.value: field.value for field in node.fields}
        definition = self._definition(type_)
        given = list[str]()
        for field in definition.fields:
            name = self._names.from_field(field)
            declared = type_.fields[name]
            value = self._given(nodes[name], declared) if name in nodes else None
            absent = None if value is not None and not value.may_be_missing else self._absent(field, declared)
            given.append(f"{field.python_name}={self._or(value, absent)}")
        return f"{self._module.constant(definition.origin, type_.name)}({', '.join(given)})"

    def _or(self, value: _Value | None, otherwise: str | None) -> str:
        if value is None:
            assert otherwise is not None, "there is one of them"
            return otherwise
        if value.may_be_missing:
            return f"({otherwise} if {value.code} is {self._missing} else {value.code})"
        return value.code

    def _absent(self, field: StrawberryField, declared: GraphQLInputField) -> str:
        """The value of an input field that is not given: the schema's default, otherwise the class's."""
        default = coerce_default_value(declared)
        if default is not Undefined:
            return self._constant(default)
        if is_non_null_type(declared.type):
            return self._module.refusal
        return "None" if field.default_value is dataclasses.MISSING else self._constant(field.default_value)

    def _constant(self, value: object) -> str:
        """The name of an immutable constant. Raises: CannotCompile for mutable values."""
        if value is None or value is UNSET or isinstance(value, str | int | float | Enum | datetime):
            return self._module.constant(value, "value")
        raise CannotCompile

    def _read(self, type_: Any, value: str, depth: int = 0) -> str:
        """An expression that reads the JSON value in the variable ``value``."""
        if not is_non_null_type(type_):
            return f"(None if {value} is None else {self._read_present(type_, value, depth)})"
        return self._read_present(type_.of_type, value, depth)

    def _read_present(self, type_: Any, value: str, depth: int) -> str:
        if is_list_type(type_):
            item = f"x{depth}"
            return self._module.items(self._read(type_.of_type, item, depth + 1), item, value)
        if is_input_object_type(type_):
            return f"{self._reader(type_)}({value})"
        leaf = self._leaves.get(type_.name)
        if leaf is None:
            leaf = self._leaves[type_.name] = self._leaf_template(type_)
        return leaf.format(value)

    def _leaf_template(self, type_: GraphQLLeafType) -> str:
        def coerce(value: Any) -> Any:
            if value is None or value is MISSING:
                raise NotAsExpected
            return type_.coerce_input_value(value)

        return self._module.leaf(type_.name, coerce)

    def _reader(self, type_: GraphQLInputObjectType) -> str:
        """Generate a function that reads an instance of an input type; returns its name."""
        known = self._readers.get(type_.name)
        if known is not None:
            return known
        if type_.name in self._begun:
            # A recursive input type.
            raise CannotCompile
        self._begun.add(type_.name)
        definition = self._definition(type_)
        missing = self._missing
        keys = self._module.constant(frozenset(type_.fields), "keys")
        body = [f"if type(o) is not dict or not {keys}.issuperset(o):", f"    {self._module.refusal}"]
        given = list[str]()
        for number, field in enumerate(definition.fields):
            name, value = self._names.from_field(field), f"v{number}"
            declared = type_.fields[name]
            body.append(f"{value} = o.get({name!r}, {missing})")
            read = self._read(declared.type, value)
            given.append(
                f"{field.python_name}=({self._absent(field, declared)} if {value} is {missing} else {read})"
            )
        origin = self._module.constant(definition.origin, type_.name)
        body.append(f"return {origin}({', '.join(given)})")
        name = self._readers[type_.name] = self._module.function(f"read_{type_.name}", "o", body)
        return name

    def _definition(self, type_: GraphQLInputObjectType) -> StrawberryObjectDefinition:
        definition = self._schema.get_type_by_name(type_.name)
        if not isinstance(definition, StrawberryObjectDefinition) or definition.from_input or type_.is_one_of:
            raise CannotCompile
        for field in definition.fields:
            _check(field)
        return definition


def _check(declared: StrawberryArgument | StrawberryField) -> None:
    """Raises: CannotCompile for the types that Strawberry wraps."""
    if isinstance(declared.type, StrawberryMaybe):
        raise CannotCompile


def _not_null(value: Any) -> Any:
    if value is None:
        raise NotAsExpected
    return value
