"""The contract of errors (``error_contract.py``) as JSON for tools, and as a page of Markdown."""

import json
from collections.abc import Iterable

from application.error_contract import Act, Entry, Place, Repeat, errors

_HEAD = """\
# Errors

Every code that a client can meet: what it means, whether to send the same request again, and who has to act.
[errors.json](errors.json) has the same for tools; `uv run server.py export-errors` writes both. Codes may be
added, but are never renamed. [How errors are reported](concepts.md#how-errors-are-reported) says where they stand.

| again | |
|---|---|
| `NEVER` | the same request can never succeed |
| `CHANGED` | only another request can, or the same one in another state |
| `LATER` | the same request may succeed later; in a payload `retryable` is then true |

Who acts: the `USER` (show the message), the `PROGRAM` (the client by itself), the `DEVELOPER` of the client, or
the `OPERATOR` of the server. `retryAfter` in an error is in seconds.

A client that meets a code that it does not know shows the message, and repeats nothing.
"""
_TITLES = {
    Place.PAYLOAD: (
        "In payloads",
        "`errors` of a mutation's payload have these as `code`. The other fields of the payload are then null.",
    ),
    Place.REQUEST: (
        "Of requests",
        "GraphQL errors have these as `extensions.code`. The status of HTTP stands beside those that refuse a "
        "request before GraphQL; that of the others is as GraphQL over HTTP says.",
    ),
    Place.CLOSE: (
        "Of sockets",
        "A socket is closed with one of these. graphql-ws itself retries 1006, 1012, 1013, 4403 and 4408, and not "
        "the others; the package `@taxirank/client` has the right rules.",
    ),
}


def as_json() -> str:
    """All codes, as one JSON object."""
    document = {
        "repeat": [each.value for each in Repeat],
        "act": [each.value for each in Act],
        "errors": [_as_object(entry) for entry in errors()],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _as_object(entry: Entry) -> dict[str, object]:
    return {
        "code": entry.code,
        "place": entry.place.value,
        "text": entry.text,
        "repeat": entry.repeat.value,
        "act": entry.act.value,
        "remedy": entry.remedy,
        "retryAfter": entry.says_when,
        "statuses": list(entry.statuses),
    }


def as_page() -> str:
    """All codes, as a page of the documentation."""
    entries = errors()
    parts = [_HEAD]
    for place, (title, text) in _TITLES.items():
        parts.append(f"## {title}\n\n{text}\n\n{_table(e for e in entries if e.place is place)}")
    return "\n".join(parts)


def _table(entries: Iterable[Entry]) -> str:
    rows = ["| code | meaning | again | who | what helps |", "|---|---|---|---|---|"]
    for entry in entries:
        code = f"`{entry.code}`"
        if entry.statuses:
            code += f" ({', '.join(map(str, entry.statuses))})"
        rows.append(f"| {code} | {entry.text} | {entry.repeat} | {entry.act} | {entry.remedy} |")
    return "\n".join(rows) + "\n"
