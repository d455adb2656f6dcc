"""Checks of the input about a trip."""

from models.frozen import frozen
from models.geo import GeoPoint
from services.errors import BadInput
from services.validation import texts
from services.validation.points import on_earth

MAX_ADDRESS_CHARS = 255
MAX_REASON_CHARS = 500
MAX_COMMENT_CHARS = 1000
MAX_KEY_CHARS = 128
PIN_CHARS = 4


@frozen
class Journey:
    """The addresses and coordinates of a trip, as a rider requests them."""

    pick_up_address: str
    drop_off_address: str
    pick_up: GeoPoint | None
    drop_off: GeoPoint | None


def checked_journey(
    *, pick_up_address: str, drop_off_address: str, pick_up: GeoPoint | None, drop_off: GeoPoint | None
) -> Journey:
    """A journey in the form that is stored.

    Raises:
        BadInput: an address is empty, too long or contains a forbidden character, or a point is not on Earth.
    """
    return Journey(
        _address(pick_up_address, "pickUpAddress"),
        _address(drop_off_address, "dropOffAddress"),
        on_earth(pick_up, "pickUp") if pick_up is not None else None,
        on_earth(drop_off, "dropOff") if drop_off is not None else None,
    )


def check_key(key: str) -> None:
    """Raises: BadInput: an idempotency key is empty, too long or contains a forbidden character."""
    _check_text(key, "idempotencyKey", what="A key", max_chars=MAX_KEY_CHARS)


def checked_reason(reason: str | None) -> str | None:
    """A reason in the form that is stored; None for an empty one.

    Raises:
        BadInput: it is too long or contains a forbidden character.
    """
    return _optional(reason, "reason", what="A reason", max_chars=MAX_REASON_CHARS)


def check_pin(pin: str, *, is_asked_for: bool) -> None:
    """Raises: BadInput: it is not four digits, or the change has no PIN."""
    if not is_asked_for:
        raise BadInput("This change has no PIN.", field=("pin",))
    if len(pin) != PIN_CHARS or not (pin.isascii() and pin.isdigit()):
        raise BadInput(f"A PIN has {PIN_CHARS} digits.", field=("pin",))


def checked_comment(comment: str | None) -> str | None:
    """A comment as it is kept; None for an empty one.

    Raises:
        BadInput: it is too long or contains a forbidden character.
    """
    return _optional(comment, "comment", what="A comment", max_chars=MAX_COMMENT_CHARS)


def _optional(text: str | None, field: str, *, what: str, max_chars: int) -> str | None:
    text = texts.trimmed(text or "") or None
    if text is not None:
        _check_text(text, field, what=what, max_chars=max_chars)
    return text


def _address(text: str, field: str) -> str:
    text = texts.trimmed(text)
    _check_text(text, field, what="An address", max_chars=MAX_ADDRESS_CHARS)
    return text


def _check_text(text: str, field: str, *, what: str, max_chars: int) -> None:
    if not text:
        raise BadInput(f"{what} must not be empty.", field=(field,))
    if len(text) > max_chars:
        raise BadInput(f"{what} has at most {max_chars} characters.", field=(field,))
    # PostgreSQL stores no null characters.
    if "\x00" in text:
        raise BadInput(f"{what} must not contain a null character.", field=(field,))
    if not texts.OVERRIDES.isdisjoint(text):
        raise BadInput(f"{what} must not contain a character that changes the text direction.", field=(field,))
