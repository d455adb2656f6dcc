"""Taxirank without sharing: each subscriber's messages are executed for that subscriber alone."""

import functools

from application import execution
from application.commands import cli
from schema.operations.execution import Execution

execution.Execution = functools.partial(Execution, shares=False)

if __name__ == "__main__":
    cli()
