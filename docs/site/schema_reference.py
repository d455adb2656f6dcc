"""The schema as a page: every type, field, argument and value with its description."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    build_schema,
    get_named_type,
    is_introspection_type,
    is_specified_scalar_type,
)

_GROUPS: tuple[tuple[str, type[GraphQLNamedType]], ...] = (
    ("Objects", GraphQLObjectType),
    ("Interfaces", GraphQLInterfaceType),
    ("Unions", GraphQLUnionType),
    ("Inputs", GraphQLInputObjectType),
    ("Enums", GraphQLEnumType),
    ("Scalars", GraphQLScalarType),
)


def schema_reference(sdl: str) -> str:
    """A page of Markdown that describes the schema."""
    schema = build_schema(sdl)
    return "\n".join(["# Schema reference", "", *_roots(schema), *_types(schema)])


def _roots(schema: GraphQLSchema) -> Iterator[str]:
    for title, root in (
        ("Queries", schema.query_type),
        ("Mutations", schema.mutation_type),
        ("Subscriptions", schema.subscription_type),
    ):
        if root is None:
            continue
        yield from (f"## {title}", "")
        for name, field in root.fields.items():
            yield from (f"### `{name}`", "", field.description or "", "", f"Returns {_link(field.type)}.", "")
            if field.args:
                yield from _table("argument", field.args.items())


def _types(schema: GraphQLSchema) -> Iterator[str]:
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    types = [t for t in schema.type_map.values() if not is_introspection_type(t) and t not in roots]
    for title, kind in _GROUPS:
        found = sorted((t for t in types if isinstance(t, kind)), key=lambda t: t.name)
        if not found:
            continue
        yield from (f"## {title}", "")
        for each in found:
            yield from (f"### {each.name}", "", each.description or "", "", *_content(schema, each), "")


def _content(schema: GraphQLSchema, described: GraphQLNamedType) -> Iterator[str]:
    match described:
        case GraphQLObjectType() | GraphQLInterfaceType():
            if described.interfaces:
                yield from (f"Implements {_links(described.interfaces)}.", "")
            yield from _table("field", described.fields.items())
        case GraphQLInputObjectType():
            yield from _table("field", described.fields.items())
        case GraphQLUnionType():
            yield f"One of {_links(described.types)}."
        case GraphQLEnumType():
            yield from _header("value")
            for name, value in described.values.items():
                yield f"| `{name}` | {_line(value.description, value.deprecation_reason)} |"
        case _:
            if is_specified_scalar_type(described):
                yield "Of GraphQL itself."


def _table(
    what: str, rows: Iterable[tuple[str, GraphQLField | GraphQLArgument | GraphQLInputField]]
) -> Iterator[str]:
    yield from _header(what, "type")
    for name, row in rows:
        default = getattr(row, "default_value", Undefined)
        shown = _link(row.type) + ("" if default in (Undefined, None) else f" = `{default}`")
        arguments: Mapping[str, Any] = getattr(row, "args", {})
        signature = f"{name}({', '.join(arguments)})" if arguments else name
        yield f"| `{signature}` | {shown} | {_line(row.description, row.deprecation_reason)} |"
    yield ""


def _header(*columns: str) -> Iterator[str]:
    yield from ("| " + " | ".join((*columns, "")) + " |", "|---" * (len(columns) + 1) + "|")


def _line(description: str | None, deprecated: str | None) -> str:
    text = " ".join((description or "").split()).replace("|", "\\|")
    return f"{text} **Deprecated:** {deprecated}" if deprecated else text


def _link(type_: Any) -> str:
    name = get_named_type(type_).name
    before, _, after = str(type_).partition(name)
    return f"{before}[{name}](#{name.lower()}){after}".replace("[[", "&#91;[")


def _links(types: Iterable[GraphQLNamedType]) -> str:
    return ", ".join(_link(each) for each in types)
