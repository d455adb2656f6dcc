"""The modules that test servers load before they start: `forked.py` forks them from a process that has them."""

from importlib import import_module

import server  # noqa: F401 - loads all of it
from application import execution
from tests.support.built_once import schemas_once

# uvicorn and Tortoise import these by name, when they start.
for name in (
    "tortoise.backends.asyncpg",
    "tortoise.backends.sqlite",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
):
    import_module(name)
# No server changes it, and building it takes as long as the rest of a start.
execution.build_schema = schemas_once(execution.build_schema)
execution.build_schema()
