"""Texts in an export that a spreadsheet could take for a formula."""

import csv
import io

import pytest
from starlette_admin.fields import BaseField, StringField

from admin.csv_export import PlainCsv


async def exported(value: object) -> str:
    """The only cell of a table."""
    fields: list[BaseField] = [StringField("name")]
    table = (await PlainCsv().generate(fields, [{"name": value}])).decode()
    ((_,), (cell,)) = csv.reader(io.StringIO(table))
    return cell


@pytest.mark.attack("abuse")
@pytest.mark.parametrize(
    "sign",
    [
        "=",
        "+",
        "-",
        "@",
        "\uff1d",
        "\uff0b",
        "\uff0d",
        "\uff20",
        "\ufe66",
        "\ufe62",
        "\ufe63",
        "\ufe6b",
        "\u207a",
        "\u208c",
    ],
)
@pytest.mark.parametrize("before", ["", " ", "\t", "\u3000", "\u200b", "\ufeff"])
async def test_a_formula_character_is_quoted_in_any_unicode_form(sign: str, before: str) -> None:
    assert await exported(f"{before}{sign}1+1") == f"'{before}{sign}1+1"


@pytest.mark.parametrize("value", ["", " ", "Rosa", "1 = 1", "a\uff1d", "\uff21nna", "'=1", "\u2800"])
async def test_a_text_that_is_no_formula_stays_unchanged(value: str) -> None:
    assert await exported(value) == value


async def test_a_value_that_is_no_text_stays_unchanged() -> None:
    assert await exported(-1.5) == "-1.5"
