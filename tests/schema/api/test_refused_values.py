"""A value that does not fit its type is refused and not repeated: it may be a password in the wrong field.

The cases come from the schema: each leaf of each argument of each root field.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLScalarType,
    is_list_type,
    is_non_null_type,
    print_ast,
)
from graphql.language import parse_value
from structlog.testing import capture_logs

from application.settings import Settings
from schema.build import build_schema
from tests.conftest import serving
from tests.support.api import Api
from tests.support.attacks import Attack

pytestmark = pytest.mark.attack("errors")

SECRET = "my-password"
# Words that Python and its libraries use about a value: names of their classes and functions.
INSIDE = ("literal for", "int()", "base 10", "isoformat", "b'", "UploadFile", "Traceback", "object at", "Headers(")
VALID = {"ID": "x", "String": "x", "Int": 1, "Float": 1.0, "Boolean": True, "DateTime": "2026-11-24T12:00:00Z"}
SCHEMA = build_schema()._schema  # pyright: ignore[reportPrivateUsage]
KINDS = {
    "query": SCHEMA.query_type,
    "mutation": SCHEMA.mutation_type,
    "subscription": SCHEMA.subscription_type,
}
Path = tuple[str | int, ...]


def plain(type_: GraphQLInputType) -> Any:
    """The type without list and non-null."""
    while is_non_null_type(type_) or is_list_type(type_):
        type_ = type_.of_type
    return type_


def valid(type_: GraphQLInputType) -> Any:
    """A valid value."""
    if is_non_null_type(type_):
        return valid(type_.of_type)
    if is_list_type(type_):
        return [valid(type_.of_type)]
    if isinstance(type_, GraphQLInputObjectType):
        return {name: valid(field.type) for name, field in type_.fields.items()}
    return next(iter(type_.values)) if isinstance(type_, GraphQLEnumType) else VALID.get(plain(type_).name)


def places(type_: GraphQLInputType, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every place in such a value, including whole inputs, with the name of its type."""
    if is_non_null_type(type_):
        yield from places(type_.of_type, path)
    elif is_list_type(type_):
        yield from places(type_.of_type, (*path, 0))
    else:
        yield path, plain(type_).name
        if isinstance(type_, GraphQLInputObjectType):
            for name, field in type_.fields.items():
                yield from places(field.type, (*path, name))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """The value with another one in this place."""
    if not path:
        return new
    (first, *rest) = path
    copy: Any = value.copy()
    copy[first] = replaced(copy[first], tuple(rest), new)
    return copy


def operation(kind: str, type_: GraphQLObjectType, field: str, values: dict[str, str]) -> str:
    """An operation with one root field and literal arguments."""
    arguments = ", ".join(f"{name}: {value}" for name, value in values.items())
    inner = plain(type_.fields[field].type)  # pyright: ignore[reportArgumentType]
    return f"{kind} $VARIABLES {{ {field}({arguments}) {{ __typename }} }}" if inner else ""


def literal(value: Any) -> str:
    """A value as a literal in a document; enum values as texts, which are refused too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {literal(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return print_ast(parse_value(json.dumps(value)))


CASES: list[tuple[str, dict[str, Any], str, Path | None]] = []
for _kind, _type in KINDS.items():
    assert _type is not None
    for _name, _field in _type.fields.items():
        for _wrong, _argument in _field.args.items():
            _types = {name: argument.type for name, argument in _field.args.items()}
            _values = {name: valid(type_) for name, type_ in _types.items()}
            _declared = "(" + ", ".join(f"${name}: {type_}" for name, type_ in _types.items()) + ")"
            _text = operation(_kind, _type, _name, {name: f"${name}" for name in _types})
            for _path, _leaf in places(_argument.type):
                _bad: list[Any] = [{"a": SECRET}, [[SECRET]], *([] if _leaf in ("String", "ID") else [SECRET])]
                for _each in _bad:
                    _changed = {**_values, _wrong: replaced(_values[_wrong], _path, _each)}
                    _document = operation(_kind, _type, _name, {n: literal(v) for n, v in _changed.items()})
                    CASES.append((_text.replace("$VARIABLES", _declared), _changed, "variable", None))
                    CASES.append((_document.replace("$VARIABLES", ""), {}, "literal", None))
                if _leaf != "Upload":
                    _changed = {**_values, _wrong: replaced(_values[_wrong], _path, None)}
                    CASES.append((_text.replace("$VARIABLES", _declared), _changed, "file", (_wrong, *_path)))


def says_nothing(answer: str) -> None:
    """Fail if a refusal repeats the value, or contains internal words about it."""
    errors = json.loads(answer)
    errors = errors["errors"] if isinstance(errors, dict) else errors
    assert errors
    for error in errors:
        assert error["extensions"]["code"] != "INTERNAL", answer
        assert SECRET not in error["message"], answer
        assert not [word for word in INSIDE if word in error["message"]], answer


async def with_file(http: httpx.AsyncClient, query: str, variables: dict[str, Any], path: Path) -> str:
    """The answer to a form with a file in that place."""
    response = await http.post(
        "/graphql",
        data={
            "operations": json.dumps({"query": query, "variables": variables}),
            "map": json.dumps({"0": [".".join(map(str, ("variables", *path)))]}),
        },
        files={"0": (SECRET, SECRET.encode(), SECRET)},
        headers={"GraphQL-Require-Preflight": "1"},
    )
    return response.text


@pytest.mark.parametrize("backend", ["embedded"])
async def test_a_value_that_does_not_fit_its_type_is_refused_and_not_repeated(settings: Settings) -> None:
    settings = settings.model_copy(update={"socket_message_rate": "off"})
    async with serving(settings) as server, Api(server.url) as api:
        await api.sign_up("DRIVER")
        async with api.socket() as socket:
            for query, variables, how, path in CASES:
                if path is not None:
                    says_nothing(await with_file(api.http, query, variables, path))
                    continue
                body = {"query": query, "variables": variables}
                says_nothing((await api.http.post("/graphql", json=body)).text)
                message = await (await socket.start(query, **variables)).message()
                assert message["type"] in ("error", "next"), (how, message)
                says_nothing(json.dumps(message["payload"]))


# Texts that cause errors in databases, encoders and name rules. A lone surrogate is sent as a JSON escape.
ODD = {
    "NUL": "a\0b",
    "half a pair": "\ud800",
    "invisible": "\u200b\u2800\u00ad",
    "long": "x" * 1_000_000,
}
# The limit of one socket message.
LONG_ON_A_SOCKET = "x" * 60_000

TEXTS: list[tuple[str, dict[str, Any], Path]] = []
for _kind, _type in KINDS.items():
    assert _type is not None
    for _name, _field in _type.fields.items():
        _types = {name: argument.type for name, argument in _field.args.items()}
        _values = {name: valid(type_) for name, type_ in _types.items()}
        _declared = "(" + ", ".join(f"${name}: {type_}" for name, type_ in _types.items()) + ")"
        _text = operation(_kind, _type, _name, {name: f"${name}" for name in _types})
        TEXTS.extend(
            (_text.replace("$VARIABLES", _declared), _values, (_argument, *_path))
            for _argument, _argument_type in _types.items()
            for _path, _leaf in places(_argument_type)
            if isinstance(SCHEMA.type_map[_leaf], GraphQLScalarType)
            and _leaf not in ("Int", "Float", "Boolean", "Upload")
        )


def is_no_failure_of_ours(answer: str) -> None:
    assert "INTERNAL" not in answer
    assert "incident" not in answer


@pytest.mark.parametrize("role", ["RIDER", "DRIVER"])
async def test_no_odd_text_anywhere_in_the_schema_makes_the_server_fail(
    settings: Settings, role: str, attempts: Attack
) -> None:
    assert len(TEXTS) > 20
    attempts.add(2 * len(TEXTS) * len(ODD))
    settings = settings.model_copy(update={"socket_message_rate": "off"})
    with capture_logs() as logs:
        async with serving(settings) as server, Api(server.url) as api:
            await api.sign_up(role)
            async with api.socket() as socket:
                for query, values, path in TEXTS:
                    for odd in ODD.values():
                        body = json.dumps({"query": query, "variables": replaced(values, path, odd)})
                        response = await api.http.post(
                            "/graphql", content=body, headers={"Content-Type": "application/json"}
                        )
                        assert response.status_code < 500, (query, path, odd[:9], response.text)
                        is_no_failure_of_ours(response.text)
                        on_socket = LONG_ON_A_SOCKET if len(odd) > 1000 else odd
                        run = await socket.start(query, **replaced(values, path, on_socket))
                        message = await run.message()
                        assert message["type"] in ("error", "next"), (query, path, odd[:9], message)
                        is_no_failure_of_ours(json.dumps(message))
    assert not [line for line in logs if line["log_level"] == "error" or "exc_info" in line]
