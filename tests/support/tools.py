"""Tools that the tests need beside Python, and what is built with them once for all processes of a test run."""

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
)


def missing(what: str, how: str) -> NoReturn:
    """A developer may do without a browser; the build machine may not."""
    message = f"{what} is missing: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def find_node() -> None:
    """Let `node` and `npm` be found by everything that the tests start, wherever they come from."""
    try:
        os.environ["PATH"] = node_environment()["PATH"]
    except NoNode:
        # Tests that need it say so.
        return


def need_node() -> None:
    """Skip the test where there is no Node."""
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
            run("npm", *NPM_CI, folder=folder)
            mark_npm_packages(folder)
    return folder / "node_modules"


def build_once(outcome: Path, sources: list[Path], build: Callable[[], object]) -> None:
    """Make a folder, if it was not made of these sources already."""
    made_of = outcome / ".made-of"
    with FileLock(outcome.with_name(f".{outcome.name}.lock")):
        fingerprint = fingerprint_of(sources)
        if not made_of.is_file() or made_of.read_text() != fingerprint:
            build()
            made_of.write_text(fingerprint)


def run(*command: str, folder: Path) -> None:
    """Run a command to its end, or fail the test with what it printed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} in {folder} failed:\n{done.stdout}{done.stderr}", pytrace=False)
