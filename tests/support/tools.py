"""Tools that the tests need beside Python, and what they have built."""

import os
from pathlib import Path
from typing import NoReturn

import pytest


def missing(what: str, how: str) -> NoReturn:
    """A developer may do without a browser; the build machine may not."""
    message = f"{what} is missing: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def is_newer(path: Path, *, than: list[Path]) -> bool:
    """Whether what was built exists and is newer than all that it was built from."""
    return path.exists() and path.stat().st_mtime >= max(other.stat().st_mtime for other in than)
