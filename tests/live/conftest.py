"""What the tests of several processes share."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the long passes of the fault suite and of the interleavings."""
    parser.addoption(
        "--long-faults",
        action="store_true",
        help="outages of 20 s with 10 seeds each in tests/live/test_faults.py, instead of 2 s with one",
    )
    parser.addoption(
        "--interleavings",
        type=int,
        help="how many orders tests/live/test_interleavings.py tries, other ones each time",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long pass of the interleavings may take its time."""
    if config.getoption("interleavings", default=None):
        for item in items:
            if item.path.name == "test_interleavings.py":
                item.add_marker(pytest.mark.timeout(0))
