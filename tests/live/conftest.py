"""What the tests of several processes share."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the long pass of the fault suite."""
    parser.addoption(
        "--long-faults",
        action="store_true",
        help="outages of 20 s with 10 seeds each in tests/live/test_faults.py, instead of 2 s with one",
    )
