"""JSON as clients send it."""

import json
from typing import Any, NoReturn

import orjson


class NotJson(ValueError):
    """It is no JSON, or nested too deeply."""


class HasBadValue(ValueError):
    """Its grammar is right, but a value in it cannot be read. ``loose``: it all, for what else it says."""

    def __init__(self, message: str, loose: Any) -> None:
        super().__init__(message)
        self.loose = loose


def read_json(data: str | bytes) -> Any:
    """Read it. Of equal keys in one object the last counts.

    Raises:
        NotJson: also for NaN and infinities.
        HasBadValue: a lone surrogate (half of an emoji, where a client cut a text between its two UTF-16 units),
            or a number that no double holds.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _why_not(data) from None


def _why_not(data: str | bytes) -> NotJson | HasBadValue:
    # Python's own parser takes both.
    try:
        text = data.decode() if isinstance(data, bytes) else data
        # parse_int: it reads no integers of more than 4,300 digits.
        loose = json.loads(text, parse_int=float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return NotJson()
    try:
        json.dumps(loose, ensure_ascii=False, allow_nan=True).encode()
    except UnicodeEncodeError:
        return HasBadValue("A text has half of a character (a lone surrogate).", loose)
    except RecursionError:
        return NotJson()
    return HasBadValue("A number is too large.", loose)


def _refuse(_: str) -> NoReturn:
    raise ValueError
