"""Taxirank's entry point: ``uv run server.py --help``, and ``create_app`` for any ASGI server."""

import sys

if __name__ == "__main__" and sys.stderr.isatty() and sys.argv[1:2] in ([], ["serve"], ["simulate"]):
    # Before the imports: they take seconds where Python has not compiled them yet.
    sys.stderr.write("taxirank: starting …\n")

from application.asgi import create_app
from application.commands import cli

__all__ = ["cli", "create_app"]

if __name__ == "__main__":
    cli()
