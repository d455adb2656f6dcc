"""Chooses the media type of an answer (GraphQL over HTTP specification, "Media Types")."""

from collections.abc import Iterable
from functools import lru_cache

JSON = "application/json"
FORM = "multipart/form-data"
RESPONSE_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
# Without the parameter it would be another protocol, that of `@defer`.
MULTIPART = "multipart/mixed;subscriptionspec=1.0"
HTML = "text/html"

# Browsers name about six; without a bound, a header of 64 KB took 20 ms.
_MAX_RANGES = 32


def accepted(accept: str | None, *offered: str) -> str | None:
    """The offered media type that the client prefers. None: it accepts none of them.

    Among types with the same weight, a type that is named takes precedence over a range, and an earlier one over a
    later one. If they are still equal, or without a header, it is the first offered.
    """
    if accept is None or not accept.strip():
        return offered[0]
    return (_remembered if len(accept) <= _REMEMBERED_CHARS else _best)(accept, offered)


def _best(accept: str, offered: tuple[str, ...]) -> str | None:
    best: tuple[_Preference, str] | None = None
    for media_type in offered:
        preference = _preference(accept, media_type)
        if preference[0] > 0 and (best is None or preference > best[0]):
            best = (preference, media_type)
    return best[1] if best else None


# Clients send the same header with every request, so results are cached. Longer headers would take too much
# memory.
_REMEMBERED_CHARS = 256
_remembered = lru_cache(maxsize=256)(_best)

# The weight, how closely the header names the type, and how early (negated); the greater is preferred.
_Preference = tuple[float, int, int]


def _preference(accept: str, media_type: str) -> _Preference:
    """How much the client prefers a media type; its most specific range counts (RFC 9110, section 12.5.1).

    A media type with a parameter must be named with it: no range stands for it.
    """
    offered, _, parameter = media_type.partition(";")
    main, _, _ = offered.partition("/")
    ranges = {offered: 2} if parameter else {offered: 2, f"{main}/*": 1, "*/*": 0}
    found: _Preference = (0.0, -1, 0)
    for position, item in enumerate(accept.split(",", _MAX_RANGES)[:_MAX_RANGES]):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        specificity = ranges.get(name, -1)
        if specificity > found[1] and is_utf8(parameters) and (not parameter or _has(parameters, parameter)):
            found = (_weight(parameters), specificity, -position)
    return found


def is_utf8(parameters: Iterable[str]) -> bool:
    """Whether a media type's parameters, in lower case, name UTF-8 or no charset at all, which means UTF-8."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in {"utf-8", "utf8"}:
            return False
    return True


def _has(parameters: Iterable[str], wanted: str) -> bool:
    """Whether a parameter, in lower case, is among these; its value may be quoted."""
    return any(parameter.replace('"', "") == wanted for parameter in parameters)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
