"""The configuration that aerich's own command line reads, named in aerich.toml."""

from typing import Any

from application.settings import load_settings
from services.database.connections import tortoise_config


def __getattr__(name: str) -> Any:
    """``TORTOISE_ORM``. Reads the settings on access, not on import."""
    if name == "TORTOISE_ORM":
        return tortoise_config(load_settings())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
