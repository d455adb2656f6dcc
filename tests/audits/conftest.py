from pathlib import Path

import pytest

from tests.support.tools import npm_packages

FOLDER = Path(__file__).parent


@pytest.fixture
def backend() -> str:
    """One of the two, because a protocol does not depend on the backend."""
    return "embedded"


@pytest.fixture(scope="session")
def audits() -> Path:
    """The folder of the audits, with its packages."""
    npm_packages(FOLDER)
    return FOLDER
