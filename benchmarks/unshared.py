"""Taxirank as it would be if each subscriber's messages were executed for that subscriber alone."""

import functools

from application import execution
from application.commands import cli
from schema.operations.execution import Execution

execution.Execution = functools.partial(Execution, shares=False)

if __name__ == "__main__":
    cli()
