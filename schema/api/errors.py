"""GraphQL errors. Faults of a request have ``extensions.code``; failures of the server have an incident id.

Faults that the user can correct are data, not GraphQL errors: ``user_errors.py``.
"""

import re
from collections.abc import Sequence
from math import ceil
from typing import Any

from graphql import GraphQLError

from services.errors import BadInput, SessionEnded
from services.limits.rates import RateLimited
from services.live.faults import NotStaff, TooManyPools
from services.live.feeds import NotFound
from services.runtime import incidents
from services.runtime.tracebacks import forget_frames

# Matches the refused value in a message of graphql-core or of a Strawberry scalar, and Python's message after it.
_QUOTED_VALUE = re.compile(
    r"(, found:? | Found: |, but encountered |(?<=value): |(?<=represent a )(?P<scalar>\w+): ).*", re.DOTALL
)
_QUOTED_ENUM_VALUE = re.compile(r"Value .*(?= does not exist in '\w+' enum\.)", re.DOTALL)


class RequestError(GraphQLError):
    """A fault of the request: a GraphQL error with ``extensions.code``."""

    def __init__(self, code: str, message: str, **extensions: object) -> None:
        super().__init__(message, extensions={"code": code, **extensions})


def unauthenticated() -> RequestError:
    """The request needs a session and has none."""
    return RequestError("UNAUTHENTICATED", "Log in first.")


def forbidden(message: str) -> RequestError:
    """The caller's role may not do this."""
    return RequestError("FORBIDDEN", message)


def bad_user_input(message: str, *, field: Sequence[str] | None = None) -> RequestError:
    """An argument is malformed."""
    return RequestError("BAD_USER_INPUT", message, **({"field": list(field)} if field else {}))


def without_value(message: str) -> str:
    """graphql-core's message without the value that it quotes, which may contain a password."""
    message = _QUOTED_ENUM_VALUE.sub("The value", message)
    return _QUOTED_VALUE.sub(lambda match: match["scalar"] or "", message)


def format_error(error: GraphQLError) -> dict[str, Any]:
    """The error as it is sent. An unexpected failure is logged whole and shown as an incident id.

    Afterwards the error knows no frames any more.
    """
    try:
        return _formatted(error)
    finally:
        forget_frames(error)


def _formatted(error: GraphQLError) -> dict[str, Any]:
    original = error.original_error
    if error.path is None and not error.extensions:
        # Nothing was executed: a variable does not fit its type.
        cause = original.message if isinstance(original, GraphQLError) else ""
        shown = bad_user_input(error.message.removesuffix(cause) + without_value(cause))
    elif "code" in (error.extensions or {}):
        return dict(error.formatted)
    elif isinstance(original, GraphQLError) and original.nodes:
        # A variable is null where the argument may not be.
        shown = bad_user_input(without_value(error.message))
    else:
        # Also if a value of ours does not fit its type: graphql-core's message would show that value.
        shown = to_request_error(original or error)
    formatted = dict(error.formatted)
    return {**formatted, "message": shown.message, "extensions": shown.extensions}


def to_request_error(error: BaseException) -> RequestError:
    """The error to send for an exception of a use case or a subscription: with its code, or as an ``incident``."""
    match error:
        case BadInput(message=message, field=field):
            return bad_user_input(message, field=field)
        case SessionEnded():
            return unauthenticated()
        case RateLimited(retry_after_s=wait_s):
            return RequestError("RATE_LIMITED", str(error), retryAfter=ceil(wait_s))
        case NotStaff():
            return forbidden("Only staff may see the city.")
        case NotFound():
            return RequestError("NOT_FOUND", "There is no such trip.")
        case TooManyPools():
            return RequestError("TOO_MANY_POOLS", "There are too many subscriptions to the pool.")
        case _:
            return incident(error)


def retry_after_s(errors: Sequence[GraphQLError] | None) -> int | None:
    """The longest ``retryAfterS`` of the errors; None if there is none."""
    waits = [e.original_error.retry_after_s for e in errors or () if isinstance(e.original_error, RateLimited)]
    return ceil(max(waits)) if waits else None


def incident(error: BaseException) -> RequestError:
    """Log an unexpected failure whole; the client is shown only the id of its log line."""
    incident_id = incidents.report(error)
    return RequestError("INTERNAL", incidents.shown(incident_id), incidentId=incident_id)
