"""The image's build of the pages gets everything that the pages are made of."""

import shutil
from pathlib import Path

from application.paths import ROOT
from tests.browser.conftest import WEB
from tests.support.tools import run

_IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def test_the_pages_are_built_from_what_the_dockerfile_copies(web_build: Path, tmp_path: Path) -> None:
    """As in a fresh clone, the packages of the client package are not installed."""
    _, stage, *_ = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")
    instructions = [line.split() for line in stage.splitlines() if line]
    folder = tmp_path
    for word, *rest in instructions[1:]:
        if word == "WORKDIR":
            folder = tmp_path / rest[0].lstrip("/")
            folder.mkdir(parents=True)
        elif word == "COPY":
            *sources, target = rest
            for source in sources:
                copy(ROOT / source, folder / target)
        elif rest == ["npm", "ci"]:
            (folder / "node_modules").symlink_to(WEB / "node_modules")
        else:
            run(*rest, folder=folder)

    built = sorted(path.name for path in (folder / "dist").rglob("*.html"))
    assert built == sorted(path.name for path in web_build.rglob("*.html"))
    assert built


def copy(source: Path, target: Path) -> None:
    """As Docker copies, without what `.dockerignore` names."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(ROOT)
        return {name for name in names if f"{inside / name}" in _IGNORED or name == "node_modules"}

    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
    else:
        shutil.copy(source, target)
