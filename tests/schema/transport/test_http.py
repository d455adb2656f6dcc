"""GraphQL over HTTP: media types, status codes, malformed requests."""

import gzip
import json
from typing import Any

import httpx
import orjson
import pytest

from tests.conftest import LiveServer, SignUp
from tests.support.api import MY_TRIPS, SIGN_UP, Api

pytestmark = [pytest.mark.attack("protocol"), pytest.mark.asyncio(loop_scope="module")]

JSON = "application/json"
MODERN = "application/graphql-response+json"
TYPENAME = {"query": "{ __typename }"}
PREFLIGHT = {"GraphQL-Require-Preflight": "1"}
MANY = "text/x, " * 100


async def still_answers(api: Api) -> None:
    assert await api.data("{ __typename }") == "Query"


def assert_refused(response: httpx.Response, status: int) -> None:
    """A 4xx with one GraphQL error, in JSON."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] in (JSON, MODERN)
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "data" not in response.json()


# Media types.


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (f"{JSON}; charset=utf-8", JSON),
        (MODERN, MODERN),
        (f"{MODERN}, {JSON};q=0.9", MODERN),
        (f"{MODERN};q=0.5, {JSON};q=0.9", JSON),
        (f"{MODERN.upper()}, */*;q=0.1", MODERN),
        (f"text/html, {MODERN};q=0.9", MODERN),
        ("text/html, */*;q=0.1", JSON),
        (f"{MODERN}; charset=latin-1, {JSON}", JSON),
        (f'{MODERN}; charset="UTF-8", {JSON};q=0.5', MODERN),
        (f"{JSON};q=0.5, {MANY}{MODERN}", JSON),
    ],
)
async def test_the_answer_has_the_media_type_that_the_client_likes_best(
    stranger: Api, accept: str | None, media_type: str
) -> None:
    response = await stranger.http.post("/graphql", json=TYPENAME, headers={"Accept": accept} if accept else {})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == media_type
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "accept",
    ["text/html", "image/*", f"{JSON};q=0", "nonsense", "*/*;q=nan", f"{JSON};charset=utf-16", MANY + "a/b"],
)
async def test_a_client_that_takes_none_of_our_media_types_gets_406(stranger: Api, accept: str) -> None:
    assert_refused(await stranger.http.post("/graphql", json=TYPENAME, headers={"Accept": accept}), 406)
    await still_answers(stranger)


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{"},
        {"query": "{ nothing }"},
        {"query": "query ($first: Int!) { trips(first: $first) { nodes { id } } }", "variables": {"first": "x"}},
        {"query": "query A { __typename } query B { __typename }"},
        {"query": "query A { __typename }", "operationName": "B"},
        {"query": "fragment F on Query { __typename }"},
    ],
)
async def test_a_request_error_is_400_for_modern_clients_and_200_for_plain_json(
    stranger: Api, body: dict[str, Any]
) -> None:
    modern = await stranger.http.post("/graphql", json=body, headers={"Accept": MODERN})
    plain = await stranger.http.post("/graphql", json=body, headers={"Accept": JSON})
    assert (modern.status_code, plain.status_code) == (400, 200)
    assert modern.json() == plain.json()
    assert list(modern.json()) == ["errors"]
    assert all(error["extensions"]["code"] for error in modern.json()["errors"])


async def test_an_error_of_a_field_is_200_even_for_modern_clients(stranger: Api) -> None:
    query = {"query": "{ __typename trips { nodes { id } } }"}
    response = await stranger.http.post("/graphql", json=query, headers={"Accept": MODERN})
    assert response.status_code == 200
    assert response.json()["data"] is None


async def test_answers_are_not_cached_and_their_type_is_not_guessed(stranger: Api) -> None:
    for response in (
        await stranger.http.post("/graphql", json=TYPENAME),
        await stranger.http.post("/graphql", content="{"),
        await stranger.http.get("/graphql", params=TYPENAME),
    ):
        assert response.headers["Cache-Control"] == "no-store"
        assert "Accept" in response.headers["Vary"].split(", ")
        assert response.headers["X-Content-Type-Options"] == "nosniff"


# Methods.


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_another_method_is_405_with_the_allowed_ones(stranger: Api, method: str) -> None:
    response = await stranger.http.request(method, "/graphql")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, POST"


async def test_a_query_is_answered_by_get(stranger: Api) -> None:
    params = {
        "query": "query A($a: Boolean!) { __typename @include(if: $a) } query B { me { id } }",
        "variables": '{"a": true}',
        "operationName": "A",
        "extensions": "{}",
    }
    response = await stranger.http.get("/graphql", params=params)
    assert response.json() == {"data": {"__typename": "Query"}}


async def test_a_mutation_by_get_is_405(stranger: Api) -> None:
    response = await stranger.http.get("/graphql", params={"query": "mutation { logOut { errors { code } } }"})
    assert_refused(response, 405)
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"query": ""},
        {"query": "{ me { id } }", "variables": "{"},
        {"query": "{ me { id } }", "variables": "[]"},
        {"query": "{ me { id } }", "extensions": "1"},
    ],
)
async def test_a_malformed_get_is_400(stranger: Api, params: dict[str, str]) -> None:
    assert_refused(await stranger.http.get("/graphql", params=params), 400)


@pytest.mark.parametrize("tail", ["/", "//", "/x", "%2f"])
async def test_similar_paths_are_not_found(stranger: Api, tail: str) -> None:
    response = await stranger.http.post(f"/graphql{tail}", json=TYPENAME)
    assert response.status_code == 404


# Bodies.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\x00",
        b"\xff\xfe",
        b"null",
        b"true",
        b"1",
        b'"{ __typename }"',
        b"{}",
        b'{"query": null}',
        b'{"query": 1}',
        b'{"query": ""}',
        b'{"query": ["{ __typename }"]}',
        b'{"query": {"kind": "Document"}}',
        b'{"query": "{ __typename }", "operationName": 1}',
        b'{"query": "{ __typename }", "operationName": {}}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "variables": "{}"}',
        b'{"query": "{ __typename }", "variables": 1}',
        b'{"query": "{ __typename }", "extensions": []}',
        b'{"query": "{ __typename }", "extensions": "x"}',
        b'{"query": "{ __typename }", "extensions": {"persistedQuery": 1}}',
        b'{"documentId": 1}',
        b'{"id": ""}',
        b'{"query": "{ __typename }"} {}',
        b'{"query": "{ __typename }", "variables": {"a": "\xed\xa0\x80"}}',
        b'{"query": "{ __typename }", "variables": {"a": NaN}}',
        b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}",
        b'{"query": "{ __typename }", "variables": ' + b"[" * 20_000,
    ],
)
async def test_a_malformed_body_is_400(stranger: Api, body: bytes) -> None:
    response = await stranger.http.post("/graphql", content=body, headers={"Content-Type": JSON})
    assert_refused(response, 400)
    await still_answers(stranger)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{" * 1990}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "\x00"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": '{ node(id: "\\uD800") { id } }'}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ trips(status: " + "[" * 900 + "]" * 900 + ") { nodes { id } } }"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ " + "me { id } " * 3000 + "}"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ ...F } fragment F on Query { ...F }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{ trips(first: " + "9" * 5000 + ") { nodes { id } } }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{ trips(first: " + "9" * 40 + ") { nodes { id } } }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query ($a: Boolean!) { __typename @include(if: $a) }"}, "BAD_USER_INPUT"),
        ({"query": "{ __typename }", "operationName": "x\x00" * 9000}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "{ __typename }", "operationName": ""}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query A { __typename } query B { __typename }"}, "OPERATION_RESOLUTION_FAILURE"),
        (
            {"query": "subscription ($s: Boolean!) { myTripsUpdated @skip(if: $s) { __typename } }"},
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ],
)
async def test_a_hostile_document_is_refused_with_a_code_and_a_short_message(
    stranger: Api, body: dict[str, Any], code: str
) -> None:
    response = await stranger.http.post("/graphql", json=body)
    assert response.status_code == 200
    assert {error["extensions"]["code"] for error in response.json()["errors"]} == {code}
    assert len(response.content) < 10_000
    await still_answers(stranger)


async def test_several_operations_need_a_name_and_the_named_one_is_executed(stranger: Api) -> None:
    query = "query A { a: __typename } query B { b: __typename }"
    response = await stranger.http.post("/graphql", json={"query": query, "operationName": "B"})
    assert response.json() == {"data": {"b": "Query"}}


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "application/json, text/plain",
        "",
        None,
    ],
)
async def test_another_content_type_is_415(stranger: Api, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type is not None else {}
    assert_refused(await stranger.http.post("/graphql", content=orjson.dumps(TYPENAME), headers=headers), 415)


@pytest.mark.parametrize(
    "content_type",
    [
        "Application/JSON; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; charset=utf8; a=b",
        "application/json ; a=b",
    ],
)
async def test_a_content_type_may_have_parameters_and_capitals(stranger: Api, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    response = await stranger.http.post("/graphql", content=orjson.dumps(TYPENAME), headers=headers)
    assert response.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "us-ascii", "utf-7", '"utf-16"', "", "utf-8x", "\xff"])
async def test_json_in_another_charset_than_utf_8_is_415(stranger: Api, charset: str) -> None:
    headers = [(b"Content-Type", f"application/json; a=b; charset={charset}".encode("latin-1"))]
    assert_refused(await stranger.http.post("/graphql", content=orjson.dumps(TYPENAME), headers=headers), 415)
    await still_answers(stranger)


@pytest.mark.parametrize("charset", ["utf-7", '"UTF-7"', "unicode_escape", "utf-16", "undefined"])
async def test_a_form_in_another_charset_than_utf_8_is_415(stranger: Api, charset: str) -> None:
    response = await stranger.http.post(
        "/graphql",
        content=b"--b--\r\n",
        headers={
            "Content-Type": f"multipart/form-data; boundary=b; charset={charset}",
            "GraphQL-Require-Preflight": "1",
        },
    )
    assert_refused(response, 415)
    await still_answers(stranger)


async def test_a_body_in_utf_16_is_400_with_any_declared_charset(stranger: Api) -> None:
    body = json.dumps(TYPENAME).encode("utf-16")
    assert_refused(await stranger.http.post("/graphql", content=body, headers={"Content-Type": JSON}), 400)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "nonsense"])
async def test_a_compressed_body_is_415_and_not_unpacked(stranger: Api, coding: str) -> None:
    headers = {"Content-Type": JSON, "Content-Encoding": coding}
    response = await stranger.http.post("/graphql", content=gzip.compress(bytes(1_000_000)), headers=headers)
    assert_refused(response, 415)
    assert response.headers["Accept-Encoding"] == "identity"
    await still_answers(stranger)


async def test_415_says_what_may_be_sent(stranger: Api) -> None:
    response = await stranger.http.post("/graphql", content=b"x", headers={"Content-Type": "text/plain"})
    assert response.headers["Accept"] == "application/json, multipart/form-data"


async def test_a_subscription_without_accepting_events_is_406(someone: SignUp) -> None:
    rider = await someone("RIDER")
    assert_refused(await rider.http.post("/graphql", json={"query": MY_TRIPS}, headers={"Accept": JSON}), 406)


# Passwords.


@pytest.mark.parametrize(
    "fields",
    [
        {"password1": "hunter2hunter2", "password2": "hunter2hunter2"},
        {"password1": ["hunter2hunter2"], "password2": {"a": "hunter2hunter2"}, "role": "RIDER"},
        "hunter2hunter2",
        # A field that there is not, with a suggestion and without.
        {"password1": "hunter2hunter2", "password2": "hunter2hunter2", "fistName": "Robin"},
        {"password1": "hunter2hunter2", "password2": "hunter2hunter2", "qqqqqqqqqqqq": 1},
    ],
)
async def test_a_refused_form_does_not_repeat_the_password(stranger: Api, fields: Any) -> None:
    response = await stranger.http.post("/graphql", json={"query": SIGN_UP, "variables": {"input": fields}})
    assert {error["extensions"]["code"] for error in response.json()["errors"]} == {"BAD_USER_INPUT"}
    assert "hunter2" not in response.text


async def test_a_refused_literal_is_not_repeated(stranger: Api) -> None:
    response = await stranger.post('mutation { logIn(username: "a", password: 5551234) { token } }')
    assert "5551234" not in json.dumps(response)


# Multipart.

UPLOAD = {"query": SIGN_UP, "variables": {"input": {"photo": None}}}
FILE = ("a.png", b"no picture", "image/png")


async def post_form(
    api: Api, operations: Any, file_map: Any, files: dict[str, Any] | None = None
) -> httpx.Response:
    """Send a multipart request; None leaves a part out."""
    parts = {"operations": operations, "map": file_map}
    fields = [
        (name, (None, value if isinstance(value, str) else json.dumps(value))) for name, value in parts.items()
    ]
    fields = [field for field in fields if parts[field[0]] is not None]
    files = files if files is not None else {"0": FILE}
    request = api.http.build_request("POST", "/graphql", files=[*fields, *files.items()], headers=PREFLIGHT)
    # Sent in one piece. Of a refusal while a client still sends, the reset of the connection may be all it sees.
    await request.aread()
    return await api.http.send(request)


@pytest.mark.parametrize(
    ("operations", "file_map"),
    [
        (None, {"0": ["variables.input.photo"]}),
        (UPLOAD, None),
        ("{", {}),
        ("", {}),
        ("null", {}),
        ({}, {}),
        (UPLOAD, "{"),
        (UPLOAD, []),
        (UPLOAD, "null"),
        (UPLOAD, {"0": "variables.input.photo"}),
        (UPLOAD, {"0": None}),
        (UPLOAD, {"0": [1]}),
        (UPLOAD, {"0": {}}),
        (UPLOAD, {"1": ["variables.input.photo"]}),
        (UPLOAD, {"operations": ["variables.input.photo"]}),
        (UPLOAD, {"0": [""]}),
        (UPLOAD, {"0": ["variables"]}),
        (UPLOAD, {"0": ["variables."]}),
        (UPLOAD, {"0": ["query"]}),
        (UPLOAD, {"0": ["variables.input"]}),
        (UPLOAD, {"0": ["variables.input.other"]}),
        (UPLOAD, {"0": ["variables.input.photo.deeper"]}),
        (UPLOAD, {"0": ["variables.input.photo", "variables.input.photo"]}),
        (UPLOAD, {"0": ["variables.__class__.x"]}),
        ({**UPLOAD, "variables": {"a": [None]}}, {"0": ["variables.a.1"]}),
        ({**UPLOAD, "variables": {"a": [None]}}, {"0": ["variables.a.-1"]}),
        ({**UPLOAD, "variables": {"a": [None]}}, {"0": ["variables.a." + "9" * 30]}),
        ({**UPLOAD, "variables": {"a": [None]}}, {"0": ["variables.a." + "9" * 5000]}),
        ({**UPLOAD, "variables": {"a": [None]}}, {"0": ["variables.a.²"]}),
        ({**UPLOAD, "variables": {"a": "text"}}, {"0": ["variables.a.0"]}),
        ({**UPLOAD, "variables": {"a": 1}}, {"0": ["variables.a.b"]}),
        ({**UPLOAD, "variables": None}, {"0": ["variables.a"]}),
    ],
)
async def test_a_malformed_multipart_request_is_400(stranger: Api, operations: Any, file_map: Any) -> None:
    assert_refused(await post_form(stranger, operations, file_map), 400)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"nothing of the kind"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nno disposition\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff'),
        ("multipart/form-data; boundary=\xff", b"--\xff"),
        (f"multipart/form-data; boundary={'b' * 5000}", b"--b"),
    ],
)
async def test_a_body_that_is_no_form_is_400(stranger: Api, content_type: str, body: bytes) -> None:
    headers = [(b"Content-Type", content_type.encode("latin-1")), (b"Apollo-Require-Preflight", b"1")]
    assert_refused(await stranger.http.post("/graphql", content=body, headers=headers), 400)
    await still_answers(stranger)


async def test_a_form_with_too_many_files_or_too_long_a_field_is_400(stranger: Api) -> None:
    assert_refused(await post_form(stranger, UPLOAD, {}, {str(n): FILE for n in range(6)}), 400)


async def test_an_upload_must_be_a_file_and_not_json(stranger: Api) -> None:
    account = {
        "username": "abc",
        "password1": "x",
        "password2": "x",
        "firstName": "A",
        "lastName": "B",
        "role": "RIDER",
    }
    for photo in ("text", 1, {"filename": "a.png"}, ["x"]):
        assert await stranger.code(SIGN_UP, input=account | {"photo": photo}) == "BAD_USER_INPUT"


async def test_a_file_reaches_its_place_in_the_variables(stranger: Api) -> None:
    account = {
        "username": "abc",
        "password1": "x",
        "password2": "x",
        "firstName": "A",
        "lastName": "B",
        "role": "RIDER",
    }
    operations = {"query": SIGN_UP, "variables": {"input": account | {"photo": None}}}
    response = await post_form(stranger, operations, {"0": ["variables.input.photo"]})
    codes = [error["code"] for error in response.json()["data"]["signUp"]["errors"]]
    assert "PHOTO_INVALID" in codes


# Sizes.


async def test_a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_413(
    stranger: Api, shared_server: LiveServer
) -> None:
    limit = shared_server.application.settings.max_body_bytes
    body = orjson.dumps(TYPENAME).ljust(limit)
    headers = {"Content-Type": JSON}
    assert (await stranger.http.post("/graphql", content=body, headers=headers)).status_code == 200

    refused = await stranger.http.post("/graphql", content=body + b" ", headers=headers)

    assert refused.status_code == 413
    assert refused.json()["errors"][0]["extensions"] == {"code": "PAYLOAD_TOO_LARGE"}
    await still_answers(stranger)


async def test_a_chunked_body_is_counted_as_it_arrives(stranger: Api, shared_server: LiveServer) -> None:
    limit = shared_server.application.settings.max_body_bytes

    async def chunks(size: int) -> Any:
        yield orjson.dumps(TYPENAME).ljust(size - 1024)
        yield b" " * 1024

    headers = {"Content-Type": JSON}
    assert (await stranger.http.post("/graphql", content=chunks(limit), headers=headers)).status_code == 200
    assert (await stranger.http.post("/graphql", content=chunks(limit + 1), headers=headers)).status_code == 413
    await still_answers(stranger)
