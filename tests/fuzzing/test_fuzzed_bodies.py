"""JSON bodies whose parts have any type, size and damage; and query strings."""

import itertools
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing.fuzzed import Fuzzed, assert_no_growth, check_response, fuzz
from tests.support.api import CREATE_TRIP, LOG_IN, PASSWORD, REPORT_LOCATION, SIGN_UP, TRIPS, UPDATE_TRIP

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("fuzzing")]

WHO = st.sampled_from(["NOBODY", "RIDER", "DRIVER"])

# Values as JSON text, because Python would not write all of them.
ODD = st.sampled_from(
    [
        *("null", "true", "0", "-0", "0.5", "1e308", "1e-999", "200", "-91", "2147483648", "9007199254740993"),
        *("18446744073709551616", "-9223372036854775809", "9" * 400, '""', '"a"', r'"\u0000"', r'"\uffff"'),
        *('"\ufeff"', '" "', '"TRIP"', '"STARTED"', '"2026-02-30T00:00:00Z"', '"9999-12-31T23:59:59-23:59"'),
        *(
            '"{ __typename }"',
            '"query A { me { id } } query B { me { id } }"',
            '"' + "x" * 3_000 + '"',
            "[]",
            "{}",
        ),
        *("[null]", "[[[]]]", '{"":null}', '{"__proto__":{}}', '{"a":1,"a":2}', '{"lat":1e999,"lng":0}'),
    ]
)
NO_JSON = st.sampled_from(
    [
        *(
            "NaN",
            "Infinity",
            "1e999",
            "01",
            "1.",
            "[1,]",
            "'a'",
            "",
            '"\x01"',
            r'"\x"',
            r'"\ud800"',
            r'"\udfff\ud800"',
        )
    ]
)
DEEP = st.builds(
    lambda opening, depth, closing: opening * depth + "1" + closing * depth,
    *(st.sampled_from(["[", '{"a":']), st.sampled_from([10, 200, 1_000, 5_000]), st.sampled_from(["]", "}", ""])),
)
VALUES = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: f"[{','.join(values)}]")
        | st.lists(st.tuples(st.sampled_from(["a", "input", "id", ""]), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"
        )
    ),
    max_leaves=6,
)

ACCOUNT = {
    "username": "fuzz@example.com",
    "password1": PASSWORD,
    "password2": PASSWORD,
    "role": "RIDER",
    "firstName": "F",
    "lastName": "Z",
    "photo": None,
}
TRIP_INPUT = {
    "pickUpAddress": "A",
    "dropOffAddress": "B",
    "idempotencyKey": "K",
    "pickUp": {"lat": 1.0, "lng": 1.0},
    "dropOff": {"lat": 1.0, "lng": 1.0},
}
POSITION = {"point": {"lat": 1.0, "lng": 1.0}, "heading": 1.0, "recordedAt": "2026-01-01T00:00:00Z"}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (SIGN_UP, {"input": ACCOUNT}),
    (LOG_IN, {"username": "fuzz@example.com", "password": PASSWORD, "issueToken": True}),
    (CREATE_TRIP, {"input": TRIP_INPUT}),
    (UPDATE_TRIP, {"input": {"id": "TRIP", "status": "CANCELLED", "ifVersion": 99, "reason": "R"}}),
    (REPORT_LOCATION, {"input": POSITION}),
    (TRIPS, {"status": ["REQUESTED"], "first": 5, "after": "x"}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into a value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(place for key in keys for place in places(value[key], (*path, key)))]


def put(value: Any, path: tuple[Any, ...], text: str) -> str:
    """A value as JSON, with other text at one place."""
    if not path:
        return text
    if isinstance(value, dict):
        items = (f'"{k}":{put(v, path[1:] if k == path[0] else (), text if k == path[0] else json.dumps(v))}'
                 for k, v in value.items())  # fmt: skip
        return "{" + ",".join(items) + "}"
    return "[" + ",".join(put(v, path[1:] if n == path[0] else (), text if n == path[0] else json.dumps(v))
                          for n, v in enumerate(value)) + "]"  # fmt: skip


@st.composite
def nearly_right(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """A real request with one odd variable."""
    document, variables = draw(st.sampled_from(REQUESTS))
    path = draw(st.sampled_from(places(variables)))
    return f'{{"query":{json.dumps(document)},"variables":{put(variables, path, draw(values))}}}'


KEYS = ["query", "variables", "operationName", "extensions", "id", "documentId", ""]
OF_ANY_TYPE = st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=6).map(
    lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"
)


def _cut(body: bytes) -> bytes:
    return body[: len(body) * 2 // 3]


def _with_invalid_utf8(body: bytes) -> bytes:
    return body[: len(body) // 2] + b"\xff\xc0\x80\xed\xa0\x80" + body[len(body) // 2 :]


DAMAGES = [
    *([bytes] * 8),
    _cut,
    _with_invalid_utf8,
    lambda body: b"\xef\xbb\xbf" + body,
    lambda body: b"[" + body + b"," + body + b"]",
    lambda body: body + body,
    lambda body: body.decode(errors="replace").encode("utf-16"),
    lambda body: b" \n" * 2_000 + body,
]
BODIES = st.builds(
    lambda text, damage: damage(text.encode(errors="surrogatepass")),
    nearly_right(VALUES | NO_JSON | DEEP) | OF_ANY_TYPE | VALUES | NO_JSON | DEEP,
    st.sampled_from(DAMAGES),
) | st.binary(max_size=200)
TYPES = st.sampled_from(
    [
        *(["application/json"] * 12),
        *("application/json; charset=utf-16", "application/json; charset=no", "application/graphql", "text/plain"),
        *("application/x-www-form-urlencoded", "multipart/form-data", ";", ""),
    ]
)


def sent(target: Fuzzed, body: bytes) -> bytes:
    """The body with real ids."""
    return target.real(body.decode("latin-1")).encode("latin-1")


@fuzz(100)
@given(WHO, nearly_right(VALUES))
async def test_no_variable_makes_the_server_fail(target: Fuzzed, who: str, body: str) -> None:
    with target.unharmed():
        response = await target.post(who, sent(target, body.encode()))
    assert response.status_code in (200, 400, 429)


@fuzz(80)
@given(WHO, BODIES, TYPES)
async def test_no_body_makes_the_server_fail(target: Fuzzed, who: str, body: bytes, content_type: str) -> None:
    with target.unharmed():
        response = await target.post(who, sent(target, body), content_type)
    assert response.status_code in (200, 400, 401, 403, 413, 415, 422, 429)


@fuzz(40)
@given(
    WHO,
    st.lists(
        st.tuples(st.sampled_from(KEYS), VALUES | st.text(max_size=20).filter(lambda text: text.isprintable())),
        max_size=5,
    ),
    st.sampled_from(
        ["*/*", "text/html", "text/event-stream", "application/graphql-response+json", "a", ";q=2", ""]
    ),
)
async def test_no_query_string_makes_the_server_fail(
    target: Fuzzed, who: str, pairs: list[tuple[str, str]], accept: str
) -> None:
    http = target.people[who].http
    headers = {**target.headers(who), "Accept": accept}
    # Longer lines are refused before they are parsed.
    short = [(key, value[:2_000]) for key, value in pairs]
    with target.unharmed():
        response = await http.get("/graphql", params=short, headers=headers)
        check_response(response)


async def test_bodies_leave_nothing_in_memory(target: Fuzzed) -> None:
    bodies: list[bytes] = []

    @fuzz(15)
    @given(BODIES)
    def collect(body: bytes) -> None:
        bodies.append(sent(target, body))

    collect()
    people = itertools.cycle(target.people)
    await assert_no_growth(*(partial(target.post, next(people), body) for body in bodies[:500]))
