"""``python -m benchmarks``: the same as ``benchmarks/run.py``."""

from benchmarks.command import cli

cli()
