"""Operations of every form, generated at random from a schema: with the features that hypothesis-graphql leaves
out (directives, fragments, merged fields, variables), and with values.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

# When a field fails, graphql-core keeps its sibling tasks running. Our own tasks have other names.
LEFT_BY_GRAPHQL_CORE = (
    "ignore:Exception ignored in. <coroutine object (Executor|GraphQLCoreConverter|_returned)",
    "ignore:coroutine '(Executor|GraphQLCoreConverter|_returned)",
)

# Wrong values that a client might send.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -(2**33), 2**31, 1.5, 3.0, "", "x", "1", "REQUESTED", "2026-01-01T00:00:00Z"),
    *([], [None], [1], {}, {"unknown": 1}),
)
RIGHT: dict[str, Callable[[Random], Any]] = {
    "Boolean": lambda random: random.random() < 0.5,
    "DateTime": lambda random: random.choice(["2026-01-01T00:00:00Z", "1999-12-31T23:59:59.5+02:00"]),
    "Float": lambda random: random.choice([random.uniform(-180, 180), random.randint(-90, 90)]),
    "ID": lambda random: random.choice([str(UUID(int=random.getrandbits(128))), random.randint(0, 9)]),
    "Int": lambda random: random.choice([random.randint(-(2**31), 2**31 - 1), random.randint(0, 30)]),
    "String": lambda random: random.choice(["", "a street", "Größe 🚕", 'quoted "text"']),
    "Upload": lambda _: None,
}


@dataclass
class Written:
    """An operation that is being generated."""

    random: Random
    schema: GraphQLSchema
    variables: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    fields: int = 0

    def text(self, kind: str, name: str, definition: Any) -> str:
        """A document that selects a root field, and perhaps once more under another name."""
        root = f"{self._directives() if kind != 'subscription' else ''}"
        asked = (
            f"{self._alias(name)}{name}{self._arguments(definition)}{root} {self._selection(definition.type, 3)}"
        )
        if kind != "subscription" and self._one_in(4):
            asked += f" again: {name}{self._arguments(definition)} {self._selection(definition.type, 2)}"
        variables = ", ".join(f"${name}: {type_}" for name, type_ in self.declared.items())
        return f"{kind}{f' ({variables})' if variables else ''} {{ {asked} }} {' '.join(self.fragments)}"

    def _one_in(self, number: int) -> bool:
        return self.random.randrange(number) == 0

    def _alias(self, name: str) -> str:
        return f"a_{name}: " if self._one_in(5) else ""

    def _directives(self) -> str:
        if not self._one_in(8):
            return ""
        condition = self.random.choice(["true", "false", "$c0", "$c1"])
        if condition.startswith("$") and condition[1:] not in self.declared:
            self.declared[condition[1:]] = self.random.choice(["Boolean!", "Boolean! = true"])
            if "=" not in self.declared[condition[1:]] or self._one_in(2):
                self.variables[condition[1:]] = self.random.random() < 0.5
        return f" @{self.random.choice(['skip', 'include'])}(if: {condition})"

    def _selection(self, type_: Any, depth: int) -> str:
        named = get_named_type(type_)
        return "" if is_leaf_type(named) else f"{{ {self._fields_of(named, depth)} }}"

    def _fields_of(self, type_: GraphQLNamedType, depth: int) -> str:
        asked = ["__typename"] if self._one_in(3) or is_abstract_type(type_) else []
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            names = list(type_.fields)
            chosen = self.random.choices(names, k=self.random.randint(1, 6))
            asked += [text for name in chosen if (text := self._field(name, type_.fields[name], depth))]
        if is_abstract_type(type_):
            for possible in self.schema.get_possible_types(type_):
                if self._one_in(2):
                    asked.append(
                        f"... on {possible.name}{self._directives()} {{ {self._fields_of(possible, depth)} }}"
                    )
        elif self._one_in(6) and depth > 1:
            inner = self._fields_of(type_, 1)
            if self._one_in(2):
                asked.append(f"...{self._directives()} {{ {inner} }}")
            else:
                name = f"F{len(self.fragments)}"
                self.fragments.append("")
                self.fragments[int(name[1:])] = f"fragment {name} on {type_.name} {{ {inner} }}"
                asked.append(f"...{name}{self._directives()}")
        return " ".join(asked or ["__typename"])

    def _field(self, name: str, definition: Any, depth: int) -> str:
        self.fields += 1
        if not is_leaf_type(get_named_type(definition.type)) and (depth == 0 or self.fields > 40):
            return ""
        arguments = self._arguments(definition)
        # Two with different arguments must not have one name.
        alias = f"b{self.fields}: " if arguments else self._alias(name)
        return f"{alias}{name}{arguments}{self._directives()} {self._selection(definition.type, depth - 1)}"

    def _arguments(self, definition: Any) -> str:
        given = [
            f"{name}: {self._argument(argument.type)}"
            for name, argument in definition.args.items()
            if (is_non_null_type(argument.type) and argument.default is None) or not self._one_in(3)
        ]
        return f"({', '.join(given)})" if given else ""

    def _argument(self, type_: Any) -> str:
        if self._one_in(2):
            return self._variable(type_)
        return self._literal(type_)

    def _variable(self, type_: Any) -> str:
        name = f"v{len(self.declared)}"
        self.declared[name] = str(type_)
        if is_non_null_type(type_) and isinstance(type_.of_type, GraphQLScalarType) and self._one_in(3):
            # With a default it may be declared as nullable.
            self.declared[name] = f"{type_.of_type} = {self._literal(type_)}"
            if "$" in self.declared[name] or self._one_in(3):
                return f"${name}"
            type_ = type_.of_type
        if not is_non_null_type(type_) and self._one_in(4):
            # Omitted.
            return f"${name}"
        self.variables[name] = self.random.choice(ODD) if self._one_in(40) else self.value(type_)
        return f"${name}"

    def value(self, type_: Any) -> Any:
        """A JSON value of an input type."""
        if is_non_null_type(type_):
            type_ = type_.of_type
        elif self._one_in(6):
            return None
        if self._one_in(100):
            return self.random.choice(ODD)
        if is_list_type(type_):
            return [self.value(type_.of_type) for _ in range(self.random.randint(0, 3))]
        if isinstance(type_, GraphQLEnumType):
            return self.random.choice(list(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            given = {
                name: self.value(field.type)
                for name, field in type_.fields.items()
                if is_non_null_type(field.type) or not self._one_in(3)
            }
            return {**given, "unknown": 1} if self._one_in(30) else given
        return RIGHT[type_.name](self.random)

    def _literal(self, type_: Any) -> str:
        if is_non_null_type(type_):
            type_ = type_.of_type
        elif self._one_in(6):
            return "null"
        if is_list_type(type_):
            return f"[{', '.join(self._argument(type_.of_type) for _ in range(self.random.randint(0, 3)))}]"
        if isinstance(type_, GraphQLInputObjectType):
            given = [
                f"{name}: {self._argument(field.type)}"
                for name, field in type_.fields.items()
                if is_non_null_type(field.type) or not self._one_in(3)
            ]
            return f"{{{', '.join(given)}}}"
        if isinstance(type_, GraphQLEnumType):
            return self.random.choice(list(type_.values))
        value = RIGHT[type_.name](self.random)
        return json.dumps(value, ensure_ascii=False)
