"""The codes of all errors, for people and for tools: what each means, whether to repeat, who has to act, and how.

``server.py export-errors`` writes it as JSON and as a page. A test finds each code in the source that is missing
here.

Longer than 300 lines because it is the table of all codes.
"""

from dataclasses import dataclass
from enum import StrEnum

from schema.api.user_errors import ERROR_TEXTS
from services.errors import ErrorCode


class Repeat(StrEnum):
    """Whether to send the same request again."""

    NEVER = "NEVER"  # It can never succeed.
    CHANGED = "CHANGED"  # Only a different one, or the same in another state, can succeed.
    LATER = "LATER"  # It may succeed later.


class Act(StrEnum):
    """Who has to act."""

    USER = "USER"  # The person: show the message.
    PROGRAM = "PROGRAM"  # The client, by itself.
    DEVELOPER = "DEVELOPER"  # Whoever writes the client.
    OPERATOR = "OPERATOR"  # Whoever runs the server.


class Place(StrEnum):
    """Where a code stands."""

    PAYLOAD = "PAYLOAD"  # `errors` of a mutation's payload
    REQUEST = "REQUEST"  # `extensions.code` of a GraphQL error
    CLOSE = "CLOSE"  # the code with which a socket is closed


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One code.

    ``remedy``: what helps. ``says_when``: the error may have ``retryAfter``, in seconds.
    ``statuses``: of HTTP, if the request was refused before GraphQL.
    """

    code: str
    place: Place
    text: str
    repeat: Repeat
    act: Act
    remedy: str
    says_when: bool = False
    statuses: tuple[int, ...] = ()


_NEVER, _CHANGED, _LATER = Repeat.NEVER, Repeat.CHANGED, Repeat.LATER
_USER, _PROGRAM, _DEVELOPER, _OPERATOR = Act.USER, Act.PROGRAM, Act.DEVELOPER, Act.OPERATOR

# Their texts are in the schema. A code that is repeated later belongs to a fault that is `retryable`.
_PAYLOAD: dict[ErrorCode, tuple[Repeat, Act, str]] = {
    ErrorCode.USERNAME_TAKEN: (_CHANGED, _USER, "another user name"),
    ErrorCode.USERNAME_INVALID: (_CHANGED, _USER, "another user name"),
    ErrorCode.PASSWORD_WEAK: (_CHANGED, _USER, "a longer or less common password"),
    ErrorCode.PASSWORD_MISMATCH: (_CHANGED, _USER, "the same password twice"),
    ErrorCode.BAD_CREDENTIALS: (_CHANGED, _USER, "the right user name and password"),
    ErrorCode.EMAIL_INVALID: (_CHANGED, _USER, "an e-mail address"),
    ErrorCode.EMAIL_REQUIRED: (_CHANGED, _USER, "an e-mail address in the account"),
    ErrorCode.EMAIL_TOKEN_INVALID: (_CHANGED, _USER, "a new letter: `requestEmailVerification`"),
    ErrorCode.RESET_TOKEN_INVALID: (_CHANGED, _USER, "a new letter: `requestPasswordReset`"),
    ErrorCode.PHOTO_INVALID: (_CHANGED, _USER, "another photo"),
    ErrorCode.PHOTO_TOO_LARGE: (_CHANGED, _USER, "a smaller photo; a client may make it smaller by itself"),
    ErrorCode.PHOTO_REQUIRED: (_CHANGED, _USER, "a photo"),
    ErrorCode.PHOTOS_UNAVAILABLE: (_LATER, _USER, "some time, or at once without a photo"),
    ErrorCode.NOT_A_RIDER: (_NEVER, _DEVELOPER, "a role never changes: offer this to riders only"),
    ErrorCode.NOT_A_DRIVER: (_NEVER, _DEVELOPER, "a role never changes: offer this to drivers only"),
    ErrorCode.TRIP_NOT_FOUND: (_NEVER, _PROGRAM, "drop the trip, and read the list again"),
    ErrorCode.TRIP_TAKEN: (_NEVER, _PROGRAM, "drop the offer; the pool withdraws it too"),
    ErrorCode.TRIP_CANCELLED: (_NEVER, _PROGRAM, "drop the offer; the pool withdraws it too"),
    ErrorCode.TRIP_EXPIRED: (_NEVER, _PROGRAM, "drop the offer; the pool withdraws it too"),
    ErrorCode.ILLEGAL_TRANSITION: (_CHANGED, _PROGRAM, "read the trip again, and offer what its status allows"),
    ErrorCode.VERSION_CONFLICT: (_CHANGED, _PROGRAM, "read the trip again, and ask the person again"),
    ErrorCode.IDEMPOTENCY_CONFLICT: (_CHANGED, _DEVELOPER, "a key of its own for each request"),
    ErrorCode.DRIVER_BUSY: (_LATER, _USER, "the end of the driver's active trip"),
    ErrorCode.TOO_MANY_OPEN_TRIPS: (_LATER, _USER, "one of the open trips is accepted, cancelled or expired"),
    ErrorCode.TRIP_UNDER_WAY: (_LATER, _USER, "the end of the trip"),
    ErrorCode.LAST_OF_STAFF: (_CHANGED, _OPERATOR, "another member of staff: `server.py create-staff`"),
    ErrorCode.STALE_LOCATION: (_NEVER, _PROGRAM, "drop the position, and report the next one"),
    ErrorCode.ALREADY_RATED: (_NEVER, _PROGRAM, "show the rating that counts: `Trip.myRating`"),
    ErrorCode.OFF_DUTY: (_LATER, _USER, "the driver goes on duty: `setOnDuty`"),
    ErrorCode.DRIVER_NOT_APPROVED: (_LATER, _OPERATOR, "the approval by staff; the pool says when"),
    ErrorCode.VEHICLE_REQUIRED: (_CHANGED, _USER, "a vehicle: `setVehicle`"),
    ErrorCode.NOT_NEAR: (_LATER, _USER, "the driver is at the pick-up, and has reported so"),
    ErrorCode.TOO_EARLY: (_LATER, _USER, "`retryAfter` seconds"),
    ErrorCode.WRONG_PIN: (_CHANGED, _USER, "the PIN that the rider tells"),
    ErrorCode.PIN_LOCKED: (_LATER, _USER, "`retryAfter` seconds"),
    ErrorCode.PUSH_UNAVAILABLE: (_NEVER, _OPERATOR, "TAXIRANK_VAPID_PRIVATE_KEY; hide the switch until then"),
    ErrorCode.PUSH_SUBSCRIPTION_INVALID: (_CHANGED, _DEVELOPER, "what the push manager of the browser gives"),
}
_SAY_WHEN = {ErrorCode.TOO_EARLY, ErrorCode.PIN_LOCKED}

# The limits of an operation: what each counts, and the name of its setting if it is another.
_LIMITS = {
    "CHARS": ("characters of the document", "MAX_DOCUMENT_CHARS"),
    "DEPTH": ("fields within fields", "MAX_DEPTH"),
    "ALIASES": ("aliases", "MAX_ALIASES"),
    "DIRECTIVES": ("directives", "MAX_DIRECTIVES"),
    "LIST_ITEMS": ("items of a list in an argument or a variable", "MAX_LIST_ITEMS"),
    "ROOT_FIELDS": ("root fields of the operation", "MAX_ROOT_FIELDS"),
}


def _request(
    code: str,
    text: str,
    repeat: Repeat,
    act: Act,
    remedy: str,
    *,
    says_when: bool = False,
    statuses: tuple[int, ...] = (),
) -> Entry:
    return Entry(
        code=code,
        place=Place.REQUEST,
        text=text,
        repeat=repeat,
        act=act,
        remedy=remedy,
        says_when=says_when,
        statuses=statuses,
    )


_REQUEST = (
    _request("UNAUTHENTICATED", "There is no session, or it has ended.", _CHANGED, _USER, "a log-in"),
    _request(
        "FORBIDDEN",
        "The caller's role may not do this, or the page's origin may not, or the address may open no sockets now.",
        _CHANGED,
        _DEVELOPER,
        "another account; for a page, TAXIRANK_ALLOWED_ORIGINS",
        statuses=(403,),
    ),
    _request(
        "NOT_FOUND", "No such trip, or no socket at this path.", _NEVER, _PROGRAM, "drop it", statuses=(404,)
    ),
    _request(
        "BAD_USER_INPUT",
        "A value is malformed: `field` names it.",
        _CHANGED,
        _USER,
        "another value",
        statuses=(400,),
    ),
    _request(
        "RATE_LIMITED",
        "Too many requests of the user or the address.",
        _LATER,
        _PROGRAM,
        "`retryAfter` seconds, by itself only for what nobody waits for",
        says_when=True,
    ),
    _request(
        "TIMEOUT",
        "The operation took too long. A change that had begun is finished.",
        _LATER,
        _PROGRAM,
        "a moment; repeat a `createTrip` with its `idempotencyKey`",
    ),
    _request(
        "INTERNAL",
        "A fault of the server; its log has `incidentId`. With 503 the database is away.",
        _LATER,
        _PROGRAM,
        "some seconds, longer each time",
        statuses=(500, 503),
    ),
    _request(
        "OVERLOADED",
        "The server has too much to do, or receives too many large bodies. Nothing was done.",
        _LATER,
        _PROGRAM,
        "`retryAfter` seconds",
        says_when=True,
        statuses=(503,),
    ),
    _request(
        "TOO_MANY_SOCKETS",
        "The user has too many sockets and event streams open.",
        _LATER,
        _DEVELOPER,
        "another of them is closed; use one socket for everything",
        statuses=(429,),
    ),
    _request(
        "TOO_MANY_OPERATIONS",
        "Too many operations on one socket, or too many different subscription documents of one user.",
        _LATER,
        _DEVELOPER,
        "another one has ended; put values into variables",
    ),
    _request(
        "TOO_MANY_POOLS",
        "The driver follows the pool too many times.",
        _LATER,
        _DEVELOPER,
        "another subscription to the pool has ended",
    ),
    _request(
        "COOKIE_TRANSPORT_REQUIRED",
        "A socket cannot set or remove a cookie.",
        _CHANGED,
        _DEVELOPER,
        "HTTP, or `issueToken`",
    ),
    _request("GRAPHQL_PARSE_FAILED", "The document is no GraphQL.", _NEVER, _DEVELOPER, "a correct document"),
    _request(
        "GRAPHQL_VALIDATION_FAILED",
        "The document does not fit the schema.",
        _NEVER,
        _DEVELOPER,
        "a document that does",
    ),
    _request(
        "OPERATION_RESOLUTION_FAILURE",
        "The document has several operations, or none with this name.",
        _CHANGED,
        _DEVELOPER,
        "the right `operationName`",
    ),
    *(
        _request(
            f"MAX_{limit}_LIMIT",
            f"Too many {what}: the error has `max` and `found`.",
            _NEVER,
            _DEVELOPER,
            f"a smaller operation; TAXIRANK_{setting}",
        )
        for limit, (what, setting) in _LIMITS.items()
    ),
    _request(
        "MAX_OPERATIONS_LIMIT", "Too many operations in the document.", _NEVER, _DEVELOPER, "a smaller document"
    ),
    _request(
        "MAX_REPETITIONS_LIMIT",
        "The same fields are selected too many times in one place.",
        _NEVER,
        _DEVELOPER,
        "a smaller operation",
    ),
    _request(
        "COST_ESTIMATED_TOO_EXPENSIVE",
        "The operation would cost too much: `cost` has the estimate and the limit.",
        _CHANGED,
        _DEVELOPER,
        "smaller pages or fewer fields; TAXIRANK_MAX_COST",
    ),
    _request(
        "PERSISTED_QUERY_NOT_FOUND",
        "The server does not know this hash.",
        _CHANGED,
        _PROGRAM,
        "at once, with the query; clients do so by themselves",
    ),
    _request(
        "PERSISTED_QUERY_NOT_SUPPORTED",
        "Persisted queries are turned off.",
        _CHANGED,
        _PROGRAM,
        "at once, with the query and without the hash",
    ),
    _request(
        "PERSISTED_QUERY_HASH_MISMATCH",
        "The hash is not that of the query.",
        _NEVER,
        _DEVELOPER,
        "the SHA-256 of the query",
    ),
    _request(
        "PERSISTED_QUERY_NOT_IN_LIST",
        "There is no trusted document with this id.",
        _NEVER,
        _OPERATOR,
        "the document is in TAXIRANK_TRUSTED_DOCUMENTS",
    ),
    _request(
        "QUERY_NOT_IN_SAFELIST",
        "The query is none of the trusted documents.",
        _NEVER,
        _OPERATOR,
        "the document is in TAXIRANK_TRUSTED_DOCUMENTS",
    ),
    _request(
        "BAD_REQUEST",
        "The HTTP request is wrong; the message says how.",
        _NEVER,
        _DEVELOPER,
        "a correct request",
        statuses=(400, 403, 405, 406, 415),
    ),
    _request(
        "BATCHING_NOT_SUPPORTED",
        "The body is a list of requests.",
        _CHANGED,
        _DEVELOPER,
        "one request at a time",
        statuses=(400,),
    ),
    _request(
        "PAYLOAD_TOO_LARGE",
        "The body is too large.",
        _CHANGED,
        _USER,
        "a smaller photo; TAXIRANK_MAX_JSON_BYTES and TAXIRANK_MAX_BODY_BYTES",
        statuses=(413,),
    ),
    _request(
        "REQUEST_TIMEOUT",
        "The request did not arrive in time.",
        _LATER,
        _PROGRAM,
        "a moment; TAXIRANK_RECEIVE_TIMEOUT_S",
        statuses=(408,),
    ),
    _request(
        "URI_TOO_LONG", "The address is too long.", _CHANGED, _DEVELOPER, "POST instead of GET", statuses=(414,)
    ),
    _request(
        "HEADERS_TOO_LARGE", "The headers are too large.", _NEVER, _DEVELOPER, "fewer cookies", statuses=(431,)
    ),
    _request(
        "UNKNOWN_HOST",
        "The server does not know the name by which it was asked.",
        _NEVER,
        _OPERATOR,
        "TAXIRANK_PUBLIC_URL or TAXIRANK_ALLOWED_HOSTS",
        statuses=(421,),
    ),
)


def _close(code: int, text: str, repeat: Repeat, act: Act, remedy: str) -> Entry:
    return Entry(code=str(code), place=Place.CLOSE, text=text, repeat=repeat, act=act, remedy=remedy)


_CLOSE = (
    _close(
        1006,
        "The connection broke, or the client did not answer a ping or read what was sent.",
        _LATER,
        _PROGRAM,
        "at once, then longer each time",
    ),
    _close(1007, "A text message is not UTF-8.", _NEVER, _DEVELOPER, "UTF-8"),
    _close(1009, "A message is too large.", _NEVER, _DEVELOPER, "a smaller one; TAXIRANK_MAX_MESSAGE_BYTES"),
    _close(1012, "The server stops.", _LATER, _PROGRAM, "a random moment within some seconds"),
    _close(1013, "The server cannot serve at the moment.", _LATER, _PROGRAM, "some seconds, longer each time"),
    _close(4400, "A message is not one of the protocol.", _NEVER, _DEVELOPER, "graphql-transport-ws"),
    _close(
        4401,
        "The session has ended, or an operation came before `connection_init`.",
        _CHANGED,
        _USER,
        "a log-in",
    ),
    _close(4403, "There is no session.", _CHANGED, _USER, "a log-in"),
    _close(4406, "The subprotocol is missing.", _NEVER, _DEVELOPER, "the subprotocol graphql-transport-ws"),
    _close(4408, "`connection_init` did not come in time.", _LATER, _PROGRAM, "some seconds"),
    _close(4409, "The id of an operation is in use.", _NEVER, _DEVELOPER, "an id of its own for each operation"),
    _close(
        4429,
        "Too many sockets of the user, too many messages, or a second `connection_init`.",
        _LATER,
        _DEVELOPER,
        "another socket is closed; send less; TAXIRANK_SOCKET_MESSAGE_RATE",
    ),
)


def errors() -> list[Entry]:
    """Every code, in the order of the page."""
    payload = [
        Entry(
            code=code.value,
            place=Place.PAYLOAD,
            text=ERROR_TEXTS[code.name],
            repeat=repeat,
            act=act,
            remedy=remedy,
            says_when=code in _SAY_WHEN,
        )
        for code, (repeat, act, remedy) in _PAYLOAD.items()
    ]
    return [*payload, *_REQUEST, *_CLOSE]
