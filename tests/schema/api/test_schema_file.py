"""Every element of the schema has a description, and no field has the name of a secret."""

from collections.abc import Iterator

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
)

from application.paths import ROOT


def elements() -> Iterator[tuple[str, str | None]]:
    """Each type, field, argument and enum value of the committed schema, with its description."""
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    for name, type_ in schema.type_map.items():
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        yield name, type_.description
        if isinstance(type_, GraphQLEnumType):
            yield from ((f"{name}.{value}", defined.description) for value, defined in type_.values.items())
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in type_.fields.items():
                yield f"{name}.{field_name}", field.description
                for argument, defined in getattr(field, "args", {}).items():
                    yield f"{name}.{field_name}({argument})", defined.description


def test_every_element_is_described() -> None:
    described = dict(elements())
    assert len(described) > 100
    assert [name for name, description in described.items() if not (description or "").strip()] == []


def test_no_field_of_the_schema_returns_a_password() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    output = [
        t for t in schema.type_map.values() if isinstance(t, GraphQLObjectType) and not t.name.startswith("__")
    ]
    fields = {f"{t.name}.{name}".lower() for t in output for name in t.fields}
    found = {field for field in fields if "password" in field or "hash" in field}
    # Takes passwords and answers with none.
    assert found == {
        "mutation.changepassword",
        "mutation.requestpasswordreset",
        "mutation.resetpassword",
        "requestpasswordresetpayload.errors",
    }
