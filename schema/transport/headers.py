"""The headers of a request, read once."""

from collections.abc import Mapping

from starlette.types import Scope


def headers_of(scope: Scope) -> Mapping[str, str]:
    """The headers of a request, by their names in lower case; the first of each name.

    Starlette's ``Headers`` searches all of them at each look-up, and a request needs a dozen.
    """
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
