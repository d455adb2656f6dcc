import shutil
from pathlib import Path

import pytest
from PIL import Image

from application.paths import ROOT
from application.settings import Settings
from tests.support import tools
from tests.support.tools import build_once, missing, run

FOLDER = Path(__file__).parent
ARIADNE = FOLDER / "ariadne"


@pytest.fixture
def backend() -> str:
    """The clients are tested only against the production backend."""
    return "production"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The page of the client that uses cookies has another origin."""
    return settings.model_copy(update={"allowed_origins": ("https://app.example",)})


@pytest.fixture(scope="session")
def npm_packages() -> Path:
    """The folder with the packages of `package-lock.json`."""
    return tools.npm_packages(FOLDER)


@pytest.fixture(scope="session")
def scripts(npm_packages: Path) -> Path:
    """The folder of the compiled clients, generated from the schema and type-checked; compiled once."""
    sources = [ROOT / "schema.graphql", *FOLDER.glob("*.ts"), *FOLDER.glob("*.json")]
    sources += [*FOLDER.glob("setup/*.ts"), *FOLDER.glob("relay/*.ts")]
    build = FOLDER / "build"

    def compile_all() -> None:
        for folder in ("generated", "relay/generated", "build"):
            shutil.rmtree(FOLDER / folder, ignore_errors=True)
        run("npm", "run", "build", folder=FOLDER)

    build_once(build, sources, compile_all)
    return build


@pytest.fixture(scope="session")
def ariadne_python() -> Path:
    """A Python with a client that ariadne-codegen has generated; in an environment of its own."""
    uv = shutil.which("uv")
    if uv is None:
        missing("uv", "https://docs.astral.sh/uv")
    sources = [ROOT / "schema.graphql", ARIADNE / "pyproject.toml", ARIADNE / "operations.graphql"]
    client = ARIADNE / "taxirank_client"

    def generate() -> None:
        shutil.rmtree(client, ignore_errors=True)
        run(uv, "run", "ariadne-codegen", folder=ARIADNE)

    build_once(client, sources, generate)
    return ARIADNE / ".venv" / "bin" / "python"


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small JPEG."""
    path = tmp_path_factory.mktemp("photos") / "me.jpg"
    Image.new("RGB", (320, 240), "orange").save(path)
    return path
