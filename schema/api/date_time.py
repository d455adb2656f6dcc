"""The scalar ``DateTime``."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import cast

from strawberry.schema.types.base_scalars import DateTimeDefinition
from strawberry.types.scalar import ScalarDefinition

# The usual form of a time. Python parses it 25 times as fast as `dateutil`, which Strawberry uses.
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_parse_any = cast("Callable[[object], object]", DateTimeDefinition.parse_value)


def parse_date_time(value: object) -> object:
    """Parse a time with the rules and errors of Strawberry."""
    if isinstance(value, str) and _USUAL.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    return _parse_any(value)


DATE_TIME = ScalarDefinition(
    name=DateTimeDefinition.name,
    description=DateTimeDefinition.description,
    specified_by_url=DateTimeDefinition.specified_by_url,
    serialize=DateTimeDefinition.serialize,
    parse_value=parse_date_time,
    parse_literal=None,
    origin=datetime,
)
