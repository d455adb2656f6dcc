"""How failures are shown: a user's as data with a code, a request's with ``extensions.code``, ours as an
incident id."""

import re
from collections.abc import Sequence
from math import ceil
from typing import Any

import strawberry
from graphql import GraphQLError

from schema.api import enums
from services.runtime import incidents
from services.errors import BadInput, SessionEnded, UserFault, UserFaults
from services.live.feeds import NotFound
from services.limits.rates import RateLimited

# How graphql-core and Strawberry's scalars quote the value that they refuse, and what Python says of it.
_QUOTED_VALUE = re.compile(
    r"(, found:? | Found: |, but encountered |(?<=value): |(?<=represent a )(?P<scalar>\w+): ).*", re.DOTALL
)
_QUOTED_ENUM_VALUE = re.compile(r"Value .*(?= does not exist in '\w+' enum\.)", re.DOTALL)


@strawberry.type(description="Something that the user can mend, or has to be told.")
class UserError:
    code: enums.ErrorCode = strawberry.field(description="What went wrong; stable.")
    message: str = strawberry.field(description="The same for people, in English.")
    field: list[str] | None = strawberry.field(description="The path of the input field at fault.")
    retryable: bool = strawberry.field(description="Whether the very same request may succeed later.")


def to_user_errors(fault: UserFault | UserFaults) -> list[UserError]:
    """The payload's form of what a use case raised."""
    faults = fault.faults if isinstance(fault, UserFaults) else (fault,)
    return [
        UserError(code=f.code, message=f.message, field=list(f.field) if f.field else None, retryable=f.retryable)
        for f in faults
    ]


class RequestError(GraphQLError):
    """What is wrong with the request itself: a GraphQL error with ``extensions.code``."""

    def __init__(self, code: str, message: str, **extensions: object) -> None:
        super().__init__(message, extensions={"code": code, **extensions})


def unauthenticated() -> RequestError:
    """There is no session."""
    return RequestError("UNAUTHENTICATED", "Log in first.")


def forbidden(message: str) -> RequestError:
    """The caller's role may not do this."""
    return RequestError("FORBIDDEN", message)


def bad_user_input(message: str, *, field: Sequence[str] | None = None) -> RequestError:
    """An argument is malformed."""
    return RequestError("BAD_USER_INPUT", message, **({"field": list(field)} if field else {}))


def not_found() -> RequestError:
    """What is to be followed does not exist for the caller."""
    return RequestError("NOT_FOUND", "There is no such trip.")


def too_many_pools() -> RequestError:
    """The caller follows the pool as often as one may."""
    return RequestError("TOO_MANY_POOLS", "The pool is followed too often at once.")


def without_value(message: str) -> str:
    """graphql-core's message about a value, without the value: it could be a form with a password."""
    message = _QUOTED_ENUM_VALUE.sub("The value", message)
    return _QUOTED_VALUE.sub(lambda match: match["scalar"] or "", message)


def format_error(error: GraphQLError) -> dict[str, Any]:
    """The error as it is sent. An unexpected failure is logged whole and shown as an incident id."""
    original = error.original_error
    if error.path is None and not error.extensions:
        # Nothing was executed: a variable does not fit its type.
        cause = original.message if isinstance(original, GraphQLError) else ""
        shown = bad_user_input(error.message.removesuffix(cause) + without_value(cause))
    elif isinstance(original, BadInput):
        shown = bad_user_input(original.message, field=original.field)
    elif isinstance(original, SessionEnded):
        shown = unauthenticated()
    elif isinstance(original, RateLimited):
        shown = RequestError("RATE_LIMITED", str(original), retryAfter=ceil(original.retry_after_s))
    elif isinstance(original, NotFound):
        shown = not_found()
    elif "code" in (error.extensions or {}):
        return dict(error.formatted)
    elif isinstance(original, GraphQLError) and original.nodes:
        # A variable is null where the argument may not be.
        shown = bad_user_input(without_value(error.message))
    else:
        # Also what graphql-core says of a value that its type cannot hold: its text is of our inside.
        shown = incident(original or error)
    formatted = dict(error.formatted)
    return {**formatted, "message": shown.message, "extensions": shown.extensions}


def retry_after_s(errors: Sequence[GraphQLError] | None) -> int | None:
    """For how many seconds the caller has to wait, if one of the errors says so."""
    waits = [e.original_error.retry_after_s for e in errors or () if isinstance(e.original_error, RateLimited)]
    return ceil(max(waits)) if waits else None


def incident(error: BaseException) -> RequestError:
    """Log an unexpected failure whole, and stand in for it."""
    incident_id = incidents.report(error)
    return RequestError("INTERNAL", incidents.shown(incident_id), incidentId=incident_id)
