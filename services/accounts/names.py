"""Rules for the names of a person."""

from services.errors import BadInput
from services.validation import texts

MAX_CHARS = 150


def checked_name(text: str, field: str) -> str:
    """A person's name as it is kept.

    Raises:
        BadInput: it is empty (also if nothing of it can be seen), too long, or hides something.
    """
    text = text.strip()
    if not texts.trimmed(text) or len(text) > MAX_CHARS:
        raise BadInput(f"A name has 1 to {MAX_CHARS} characters.", field=(field,))
    if texts.hides_something(text):
        raise BadInput("A name must not have control characters or invisible characters.", field=(field,))
    return text
