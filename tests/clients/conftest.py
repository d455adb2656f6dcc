import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.support.tools import is_newer, missing

FOLDER = Path(__file__).parent


@pytest.fixture
def backend() -> str:
    """The clients meet the server in its production shape only."""
    return "production"


@pytest.fixture(scope="session")
def npm_packages() -> None:
    """What `package-lock.json` lists."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm", "install Node 20 or newer (https://nodejs.org)")
    if not is_newer(FOLDER / "node_modules" / ".package-lock.json", than=[FOLDER / "package-lock.json"]):
        run(npm, "ci")


@pytest.fixture(scope="session")
def scripts(npm_packages) -> Path:
    """The folder of the compiled clients, generated from the schema and type-checked."""
    for folder in ("generated", "build"):
        shutil.rmtree(FOLDER / folder, ignore_errors=True)
    run("npm", "run", "build")
    return FOLDER / "build"


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small JPEG."""
    path = tmp_path_factory.mktemp("photos") / "me.jpg"
    Image.new("RGB", (320, 240), "orange").save(path)
    return path


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} in {FOLDER} failed:\n{done.stdout}{done.stderr}", pytrace=False)
