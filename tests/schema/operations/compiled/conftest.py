"""With ``--graphql-core`` nothing is compiled, and there is nothing to compare."""

from typing import Literal

import pytest


def pytest_ignore_collect(config: pytest.Config) -> Literal[True] | None:
    """Part of pytest."""
    return True if config.getoption("graphql_core") else None
