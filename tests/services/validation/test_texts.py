"""Visible and invisible characters of texts."""

import time

import pytest

from services.validation.texts import hides_something, trimmed

# Each alone is invisible.
INVISIBLE = [
    " ",
    "\t",
    "\x00",
    "\x7f",
    "\u00a0",
    "\u00ad",
    "\u034f",
    "\u115f",
    "\u180e",
    "\u200b",
    "\u200d",
    "\u202e",
    "\u2060",
    "\u2066",
    "\u2800",
    "\u3000",
    "\u3164",
    "\ufe0f",
    "\ufeff",
    "\uffa0",
    "\U00013441",
    "\U00016fe4",
    "\U0001d159",
    "\U0001d173",
    "\U000e0041",
    "\U000e0100",
]


@pytest.mark.parametrize("char", INVISIBLE, ids=lambda char: f"U+{ord(char):04X}")
def test_invisible_characters_count_as_empty_alone_and_are_removed_at_the_ends(char: str) -> None:
    assert trimmed(char * 3) == ""
    assert trimmed(f"{char}a{char}b{char}") == f"a{char}b"


@pytest.mark.parametrize(
    "text", ["", "1 Main Street", "\u0661", "\u26f5", "\U0001fae8", "\uf8ff", "e\u0301", "\u06dd"]
)
def test_visible_text_stays_unchanged(text: str) -> None:
    assert trimmed(text) == text


def test_a_megabyte_of_invisible_characters_is_removed_in_one_pass() -> None:
    begun = time.process_time()
    assert trimmed("\u200b" * 500_000 + "x" + " " * 500_000) == "x"
    # Quadratic time would be hours.
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "name",
    [
        "Rosa",
        "Anna Maria",
        "Ana\u00a0Mar\u00eda",
        "\u5c71\u7530\u3000\u592a\u90ce",
        # Persian and Hindi, in which joiners are part of the spelling.
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
        "\u0915\u094d\u200d\u0937",
        # Variants of a character that Japanese names need, and emoji.
        "\u845b\U000e0100\u57ce",
        "Rosa \u2764\ufe0f",
        "\U0001f469\u200d\u2764\ufe0f\u200d\U0001f468",
        "\U0001f469\U0001f3fd\u200d\U0001f680",
    ],
)
def test_names_of_all_languages_have_no_hidden_characters(name: str) -> None:
    assert not hides_something(name)


@pytest.mark.attack("abuse")
@pytest.mark.parametrize(
    "name",
    [
        "Ro\u200bsa",
        "Rosa\u200b",
        "Ro\u202esa",
        "Ro\u200dsa",
        "Ro\u200csa",
        "Rosa\ufe0f",
        "Ro\u00adsa",
        "Ro\u2800sa",
        "Ro\nsa",
        "Ro\x1b[31msa",
        "Ro\x00sa",
        "\u200dRosa",
        "\ufeffRosa",
        "\u0639\u200bl",
    ],
)
def test_a_name_that_looks_like_another_has_hidden_characters(name: str) -> None:
    assert hides_something(name)
