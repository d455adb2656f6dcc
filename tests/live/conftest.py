"""Options of the tests with several processes."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the long runs of the fault suite and of the interleavings."""
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
    """The long run of the interleavings has no time limit."""
    if config.getoption("interleavings", default=None):
        for item in items:
            if item.path.name == "test_interleavings.py":
                item.add_marker(pytest.mark.timeout(0))
