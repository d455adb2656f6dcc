"""Options of the tests with several processes."""

from pathlib import Path

import pytest

from tests.live.faults.stage import Stage

SETTLED_WITHIN_S = 3.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the long runs of the fault suite and of the interleavings, and the picture of a trace."""
    parser.addoption(
        "--long-faults",
        action="store_true",
        help="outages of 20 s with 10 seeds each in the tests of faults, instead of 2 s with one",
    )
    parser.addoption(
        "--interleavings",
        type=int,
        help="how many orders tests/live/test_interleavings.py tries, other ones each time",
    )
    parser.addoption(
        "--trace-picture", type=Path, help="the file into which tests/live/test_traces.py draws its trace"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hold the long run to what docs/architecture.md says."""
    if is_long(config):
        Stage.settles_within_s = SETTLED_WITHIN_S


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long run of the interleavings has no time limit."""
    if config.getoption("interleavings", default=None):
        for item in items:
            if item.path.name == "test_interleavings.py":
                item.add_marker(pytest.mark.timeout(0))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat the faults of a long run, each with another seed."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(10 if is_long(metafunc.config) else 1))


def is_long(config: pytest.Config) -> bool:
    """Whether the faults are to last long."""
    return config.getoption("long_faults", default=False)


@pytest.fixture
def outage_s(request: pytest.FixtureRequest) -> float:
    """How long a fault lasts, in seconds."""
    return 20.0 if is_long(request.config) else 2.0
