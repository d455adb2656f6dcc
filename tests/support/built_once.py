"""The schema of a thousand test servers, built once for each process."""

from collections.abc import Callable
from functools import cache

import strawberry


def schemas_once(build: Callable[..., strawberry.Schema]) -> Callable[..., strawberry.Schema]:
    """Builds each schema once, however it is asked for: an argument that is left out, or that makes no difference,
    makes no other schema.
    """
    built = cache(build)

    def once(*, federation: bool = False, shows_sdl: bool = True) -> strawberry.Schema:
        return built(federation=federation, shows_sdl=shows_sdl or not federation)

    return once
