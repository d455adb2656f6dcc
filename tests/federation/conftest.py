from pathlib import Path

import pytest

from application.settings import Settings
from tests.support.tools import npm_packages

FOLDER = Path(__file__).parent


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of a subgraph."""
    return settings.model_copy(update={"federation": True})


@pytest.fixture(scope="session")
def gateway() -> Path:
    """The script that composes a graph and asks it, with its packages."""
    npm_packages(FOLDER)
    return FOLDER / "gateway.mjs"
