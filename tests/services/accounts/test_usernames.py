"""When two user names are equal, and which names are refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.accounts import usernames
from services.accounts.usernames import UsernameInvalid


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rosa", "ROSA"),
        ("rosa", " rosa\n"),
        ("ren\u00e9e", "rene\u0301e"),
        ("RENE\u0301E", "ren\u00e9e"),
        ("rosa", "\uff32\uff4f\uff53\uff41"),
        ("stra\u00dfe", "STRASSE"),
        ("\u1e9eab", "ssab"),
        ("\u03bf\u03b4\u03cc\u03c2", "\u039f\u0394\u038c\u03a3"),
        ("\ufb01nn", "FINN"),
        ("\u0130lk", "i\u0307lk"),
        ("\u00c5sa", "\u212bsa"),
        ("\u2460bc", "1bc"),
        ("\u1100\u1161\u1102\u1161\u1103\u1161", "\uac00\ub098\ub2e4"),
    ],
)
def test_names_are_equal_regardless_of_case_and_unicode_form(one: str, other: str) -> None:
    assert usernames.key(usernames.normalised(one)) == usernames.key(usernames.normalised(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [("rosa", "rose"), ("renee", "ren\u00e9e"), ("\u0131lk", "ilk"), ("\u0130lk", "ilk"), ("rosa", "r.osa")],
)
def test_other_names_are_not_the_same(one: str, other: str) -> None:
    assert usernames.key(usernames.normalised(one)) != usernames.key(usernames.normalised(other))


@pytest.mark.parametrize(
    "name",
    [
        "abc",
        "a" * 150,
        "e\u0301" * 150,
        "rosa@example.com",
        "\u674e\u5c0f\u9f99",
        "o'neil",
        # Each word in one script, or in scripts that are written together.
        "\u0438\u0432\u0430\u043d@example.com",
        "sato\u592a\u90ce\u30bf\u30ed\u3046",
        "kim\u91d1\uae40",
        "\u0645\u062d\u0645\u062f_7",
        "\u0928\u0940\u0932\u092e",
        "rosa_\u03c1\u03cc\u03b6\u03b1",
        "\u0437\u2019\u044f\u0437",
        "1\uff12\uff13",
        "\u0661\u0662\u0663",
    ],
)
def test_a_name_of_3_to_150_characters_is_accepted_in_form_c(name: str) -> None:
    assert usernames.normalised(name) == unicodedata.normalize("NFC", name)


@pytest.mark.attack("abuse")
@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "  ab  ",
        "a" * 151,
        "a b",
        "a\u00a0b",
        "a\tb",
        "abc\x00",
        "abc\x1b[31m",
        "abc\u202e",
        "abc\u200b",
        "abc\u00ad",
        "abc\ue000",
        "abc\U0010ffff",
        # These consist of invisible characters.
        "\u3164\u3164\u3164",
        "rosa\ufe0f",
        "rosa\u034f",
        "rosa\U000e0101",
        "\u2800\u2800\u2800",
        "rosa\u2800",
        "rosa\U00016fe4",
        "ro\U0001d159sa",
        "rosa\U00013441",
        # They look like "rosa", "apple@example.com" and "123": Cyrillic, Greek, Armenian, Cherokee, Persian.
        "r\u043esa",
        "r\u03bfsa",
        "r\u0585sa",
        "\u13abosa",
        "a\u0440\u0440le@example.com",
        "1\u06f2\u06f3",
        # Its compatibility form has spaces.
        "\u00a8abc",
        "\ufdfaabc",
        # Its compatibility form is six times as long: 900 characters.
        "\u3316" * 150,
    ],
)
def test_a_name_that_is_too_short_or_too_long_or_has_invisible_characters_is_refused(name: str) -> None:
    with pytest.raises(UsernameInvalid) as refused:
        usernames.normalised(name)
    assert refused.value.field == ("username",)


@pytest.mark.parametrize("name", ["rosa\u2800", "r\u043esa", "\U00016fe4\U00016fe4\U00016fe4"])
def test_a_user_with_a_name_that_would_be_refused_today_can_still_log_in(name: str) -> None:
    assert usernames.may_exist(name)
    assert usernames.key(name) == name


def test_a_megabyte_of_accents_is_refused_quickly() -> None:
    # Sorting 6 MB of marks would take hours.
    with pytest.raises(UsernameInvalid):
        usernames.normalised("a" + "\u0301\u0316" * 3_000_000)


@given(st.text(min_size=3, max_size=20))
def test_the_key_of_a_name_is_equal_for_all_its_forms_and_fits_its_column(text: str) -> None:
    try:
        name = usernames.normalised(text)
    except UsernameInvalid:
        return
    keys = {usernames.key(unicodedata.normalize(form, name)) for form in ("NFC", "NFD")}
    assert keys == {usernames.key(name)} == {usernames.key(usernames.key(name))}
    assert len(name) <= usernames.MAX_CHARS
    assert 0 < len(usernames.key(name)) <= usernames.MAX_KEY_CHARS
    assert usernames.may_exist(unicodedata.normalize("NFD", name))
