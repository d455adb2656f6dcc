import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from server import ROOT
from services.config import Settings
from tests.support.tools import is_newer, missing

FOLDER = Path(__file__).parent
ARIADNE = FOLDER / "ariadne"


@pytest.fixture
def backend() -> str:
    """The clients meet the server in its production shape only."""
    return "production"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The page of the client that has cookies comes from elsewhere."""
    return settings.model_copy(update={"allowed_origins": ("https://app.example",)})


@pytest.fixture(scope="session")
def npm_packages() -> Path:
    """Where what `package-lock.json` lists is installed."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm", "install Node 20 or newer (https://nodejs.org)")
    with one_at_a_time("npm"):
        if not is_newer(FOLDER / "node_modules" / ".package-lock.json", than=[FOLDER / "package-lock.json"]):
            run(npm, "ci")
    return FOLDER / "node_modules"


@pytest.fixture(scope="session")
def scripts(npm_packages: Path) -> Path:
    """The folder of the compiled clients, generated from the schema and type-checked; compiled once."""
    sources = [ROOT / "schema.graphql", *FOLDER.glob("*.ts"), *FOLDER.glob("*.json")]
    sources += [*FOLDER.glob("setup/*.ts"), *FOLDER.glob("relay/*.ts"), npm_packages / ".package-lock.json"]
    compiled = FOLDER / "build" / "compiled"
    with one_at_a_time("build"):
        if not is_newer(compiled, than=sources):
            for folder in ("generated", "relay/generated", "build"):
                shutil.rmtree(FOLDER / folder, ignore_errors=True)
            run("npm", "run", "build")
            compiled.touch()
    return FOLDER / "build"


@pytest.fixture(scope="session")
def ariadne_python() -> Path:
    """A Python with a client that ariadne-codegen has generated; in an environment of its own."""
    uv = shutil.which("uv")
    if uv is None:
        missing("uv", "https://docs.astral.sh/uv")
    sources = [ROOT / "schema.graphql", ARIADNE / "pyproject.toml", ARIADNE / "operations.graphql"]
    generated = ARIADNE / "taxirank_client" / "__init__.py"
    with one_at_a_time("ariadne"):
        if not is_newer(generated, than=sources):
            shutil.rmtree(generated.parent, ignore_errors=True)
            run(uv, "run", "ariadne-codegen", folder=ARIADNE)
    return ARIADNE / ".venv" / "bin" / "python"


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small JPEG."""
    path = tmp_path_factory.mktemp("photos") / "me.jpg"
    Image.new("RGB", (320, 240), "orange").save(path)
    return path


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """The tests run in several processes, and they share what is built."""
    with (FOLDER / f".{what}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(*command: str, folder: Path = FOLDER) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} in {folder} failed:\n{done.stdout}{done.stderr}", pytrace=False)
