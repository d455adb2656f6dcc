"""CSV exports that a spreadsheet opens without running formulas."""

import unicodedata
from typing import Any

from starlette_admin.export.csv import CsvExporter
from starlette_admin.export.helpers import escape_formula
from starlette_admin.fields import BaseField

from services.validation.texts import trimmed


class PlainCsv(CsvExporter):
    """Quotes what a spreadsheet could take for a formula: users choose their names.

    Some spreadsheets also accept a full-width sign, or a sign after invisible characters. The library's own
    ``escape_formulas`` knows only ASCII signs.
    """

    async def generate(self, fields: list[BaseField], rows: list[dict[str, Any]]) -> bytes:
        """The file."""
        return await super().generate(
            fields, [{name: _quoted(value) for name, value in row.items()} for row in rows]
        )


def _quoted(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    sign = unicodedata.normalize("NFKC", trimmed(value)[:1])
    is_formula = escape_formula(sign) != sign or escape_formula(value) != value
    return f"'{value}" if is_formula else value
