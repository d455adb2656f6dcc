"""What the servers of tests have loaded before they start: `forked.py` forks them from a process that has."""

from functools import cache
from importlib import import_module

import server  # noqa: F401 - loads all of it
from application import execution

# uvicorn and Tortoise import these by name, when they start.
for name in (
    "tortoise.backends.asyncpg",
    "tortoise.backends.sqlite",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
):
    import_module(name)
# No server changes it, and to build it takes as long as all the rest of a start.
execution.build_schema = cache(execution.build_schema)
execution.build_schema()
