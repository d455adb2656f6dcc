"""The schema of a thousand test servers, built once for each process."""

from collections.abc import Callable
from functools import cache

import strawberry


def schemas_once(build: Callable[..., strawberry.Schema]) -> Callable[..., strawberry.Schema]:
    """Builds each schema once, however it is asked for: what is not said, and what makes no difference, is the same
    as what is.
    """
    built = cache(build)

    def once(*, federation: bool = False, shows_sdl: bool = True) -> strawberry.Schema:
        return built(federation=federation, shows_sdl=shows_sdl or not federation)

    return once
