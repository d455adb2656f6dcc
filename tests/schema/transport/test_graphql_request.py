"""Parsing the JSON of a request."""

import pytest

from schema.transport.graphql_request import HasBadValue, NotARequest, NotJson, read_json, read_request


@pytest.mark.parametrize("of_bytes", [False, True])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r'{"a": "\ud83d"}', "lone surrogate"),
        (r'{"\ude00": 1}', "lone surrogate"),
        ("[1e400]", "too large"),
        ("[-1e400]", "too large"),
        ("9" * 400, "too large"),
        # More digits than Python accepts in an integer.
        ("9" * 5000, "too large"),
    ],
)
def test_a_value_that_cannot_be_read_is_distinguished_from_invalid_json(
    text: str, reason: str, of_bytes: bool
) -> None:
    with pytest.raises(HasBadValue, match=reason):
        read_json(text.encode() if of_bytes else text)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
        '{"a": 1e400',
        "[" * 1100 + "]" * 1100,
        # Deeper than either parser accepts, with an unreadable value at the bottom.
        "[" * 1100 + "1e400" + "]" * 1100,
        "[" * 100_000,
        b"\xff",
        b'"\xed\xa0\x80"',
        '"\x00"',
        '["1e400"]'.encode("utf-16"),
    ],
)
def test_invalid_json_and_deeply_nested_json_are_refused(data: str | bytes) -> None:
    with pytest.raises(NotJson):
        read_json(data)


def test_of_equal_keys_the_last_counts_in_both_parsers() -> None:
    assert read_json('{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(HasBadValue) as caught:
        read_json(r'{"a": 1, "a": "\ud83d"}')
    assert caught.value.loose == {"a": "\ud83d"}


def test_null_characters_and_whole_emoji_are_text() -> None:
    assert read_json(r'"\u0000\ud83d\ude00"') == "\x00😀"


def test_an_id_beside_a_text_is_not_a_hash() -> None:
    assert read_request({"query": "{ me { id } }", "id": 7, "documentId": "x"}).document_id is None
    assert read_request({"query": "{ me { id } }", "extensions": None}).document_id is None
    with pytest.raises(NotARequest, match="extensions"):
        read_request({"query": "{ me { id } }", "extensions": []})
