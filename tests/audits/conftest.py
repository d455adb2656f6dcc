import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.tools import is_newer, missing

FOLDER = Path(__file__).parent


@pytest.fixture
def backend() -> str:
    """A protocol does not depend on what is behind it."""
    return "embedded"


@pytest.fixture(scope="session")
def audits() -> Path:
    """The folder of the audits, with the packages that `package-lock.json` lists."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm", "install Node 20 or newer (https://nodejs.org)")
    with open(FOLDER / ".gitignore") as lock:
        # Two processes of one test run must not install into one folder at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_newer(FOLDER / "node_modules" / ".package-lock.json", than=[FOLDER / "package-lock.json"]):
            done = subprocess.run([npm, "ci"], cwd=FOLDER, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"npm ci failed:\n{done.stdout}{done.stderr}"
    return FOLDER
