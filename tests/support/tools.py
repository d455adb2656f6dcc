"""Tools that the tests need besides Python, and builds that all processes of a test run share."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from filelock import FileLock

from gateway.web_build import (
    NPM_CI,
    NoNode,
    fingerprint_of,
    mark_npm_packages,
    node_environment,
    npm_packages_are_missing,
    package_addresses,
)


def missing(what: str, how: str) -> NoReturn:
    """A developer's machine may lack a browser; the build machine may not."""
    message = f"{what} is missing: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def find_node() -> None:
    """Make `node` and `npm` available to everything that the tests start, from the system or the wheel."""
    try:
        os.environ["PATH"] = node_environment()["PATH"]
    except NoNode:
        # Tests that need it say so.
        return


def need_node() -> None:
    """Skip the test if there is no Node."""
    try:
        node_environment()
    except NoNode:
        missing(
            "Node", "uv run --group test pytest brings it, or install Node 20.19 or newer (https://nodejs.org)"
        )


def npm_packages(folder: Path) -> Path:
    """The `node_modules` of a folder, as its `package-lock.json` says."""
    need_node()
    with FileLock(folder / ".npm.lock"):
        if npm_packages_are_missing(folder):
            with package_addresses(folder):
                run("npm", *NPM_CI, folder=folder)
            mark_npm_packages(folder)
    return folder / "node_modules"


def build_once(outcome: Path, sources: list[Path], build: Callable[[], object]) -> None:
    """Build a folder unless it was built from these sources already."""
    made_of = outcome / ".made-of"
    with FileLock(outcome.with_name(f".{outcome.name}.lock")):
        fingerprint = fingerprint_of(sources)
        if not made_of.is_file() or made_of.read_text() != fingerprint:
            build()
            made_of.write_text(fingerprint)


def run(*command: str, folder: Path) -> None:
    """Run a command to its end, or fail the test with its output."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} in {folder} failed:\n{done.stdout}{done.stderr}", pytrace=False)
