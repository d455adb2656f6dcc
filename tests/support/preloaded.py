"""What the servers of tests have loaded before they start: `forked.py` forks them from a process that has."""

from functools import cache
from importlib import import_module

import server

# uvicorn and Tortoise import these by name, when they start.
for name in (
    "tortoise.backends.asyncpg",
    "tortoise.backends.sqlite",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
):
    import_module(name)
# No server changes it, and to build it takes as long as all the rest of a start.
server.build_schema = cache(server.build_schema)
server.build_schema()
