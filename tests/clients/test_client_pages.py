"""The code on the pages in docs/clients is the code that the clients in this folder run."""

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from application.paths import ROOT
from application.settings import PREFIX, Settings
from tests.clients.conftest import ARIADNE, FOLDER
from tests.clients.test_javascript_clients import CLIENTS
from tests.support.client_package import APPS, PACKAGE, install
from tests.support.tools import build_once, run

_PACKAGE = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
# The name of the file that `npm pack` makes.
PACKED = f"./taxirank-client-{_PACKAGE['version']}.tgz"
PAGES = sorted((ROOT / "docs" / "clients").glob("*.md"))
# Files of the example apps, whose own build checks their types; and those of tests/browser/test_empty_folder.py.
EXAMPLES, EMPTY_FOLDER = "examples/", "rider/"
_BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<file>[^"]+)")?\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE
)

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


class Block(NamedTuple):
    language: str
    file: str | None
    text: str


def blocks(page: Path) -> Iterator[Block]:
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(match["language"], match["file"], match["text"])


def lines(text: str) -> str:
    """Without the indentation: an excerpt has lost it."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def test_every_client_has_a_page() -> None:
    clients = {*CLIENTS, "gql", "ariadne-codegen", "graphql-codegen", "react"} - {"graphcache"}
    assert {page.stem for page in PAGES} == {"index", *clients}


@each_page
def test_the_code_of_a_page_is_the_code_that_is_tested(page: Path) -> None:
    for block in blocks(page):
        if block.language == "bash":
            continue
        assert block.file is not None, block.text
        if block.file.startswith(EMPTY_FOLDER):
            continue
        home = ROOT if block.file.startswith(EXAMPLES) else FOLDER
        assert lines(block.text) in lines((home / block.file).read_text(encoding="utf-8")), block.file


def test_every_set_up_and_all_that_an_app_does_with_its_library_is_shown_completely() -> None:
    shown = {block.file: block.text for page in PAGES for block in blocks(page)}
    for app in APPS:
        for path in (ROOT / "examples" / app / "src").iterdir():
            if path.name != "main.tsx":
                assert shown[str(path.relative_to(ROOT))] == path.read_text(encoding="utf-8")
    for path in FOLDER.glob("setup/*.*"):
        assert shown[f"setup/{path.name}"] == path.read_text(encoding="utf-8")


@each_page
def test_the_commands_of_a_page_are_those_that_the_tests_have_run(page: Path) -> None:
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    examples = json.loads((ROOT / "examples" / "package.json").read_text(encoding="utf-8"))
    build = {tuple(shlex.split(command)) for command in package["scripts"]["build"].split("&&")}
    for command in [
        line for block in blocks(page) if block.language == "bash" for line in block.text.splitlines()
    ]:
        match shlex.split(command):
            case ["npm", "ci" | "pack"]:
                assert page.stem == "index"
            case ["npm", "install", *packages]:
                assert {*packages} - {"--save-dev", PACKED, f".{PACKED}"} <= set(package["devDependencies"])
            case ["npm", "run", script] if script in APPS:
                assert script in examples["scripts"]
            case ["cd", folder] if page.stem == "index":
                assert ROOT / folder == PACKAGE
            case ["npm", "create" | "run", *_] | ["cd", _]:
                # tests/browser/test_empty_folder.py runs them.
                assert page.stem == "react"
            case ["npx", *words]:
                assert tuple(words) in build
            case ["uv", "add", *packages]:
                assert {*packages} <= python_packages()
            case words:
                assert words == ["uv", "run", "ariadne-codegen"]


def python_packages() -> set[str]:
    server = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    client = tomllib.loads((ARIADNE / "pyproject.toml").read_text(encoding="utf-8"))
    tests = [item for item in server["dependency-groups"]["test"] if isinstance(item, str)]
    requirements = [*tests, *client["project"]["dependencies"]]
    return {requirement.partition(">")[0] for requirement in requirements}


@each_page
def test_the_links_and_settings_of_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    names = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(rf"\b{PREFIX}([A-Z0-9_]+)", text)) <= names


TSCONFIG = {
    "compilerOptions": {
        "target": "es2022",
        "lib": ["es2023", "dom", "dom.iterable"],
        "module": "nodenext",
        "jsx": "react-jsx",
        "types": [],
        "strict": True,
        "noUnusedLocals": True,
        "noUnusedParameters": True,
        "skipLibCheck": True,
        "noEmit": True,
    }
}


def test_the_code_of_each_page_compiles_in_an_empty_folder_with_what_the_page_installs(
    npm_packages: Path, packed: Path
) -> None:
    """The pages with TypeScript; each block is in the file of its title, several of one title in their order."""
    folder = FOLDER / "pages"
    pages = [page for page in PAGES if any(block.language in {"ts", "tsx"} for block in blocks(page))]
    assert len(pages) > 5

    def compile_all() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        for page in pages:
            paste(page, folder / page.stem, npm_packages, packed)
        (folder / "tsconfig.json").write_text(json.dumps(TSCONFIG), encoding="utf-8")
        run(str(npm_packages / ".bin" / "tsc"), "--project", ".", folder=folder)

    build_once(
        folder, [*pages, ROOT / "schema.graphql", FOLDER / "package-lock.json", *packed.rglob("*")], compile_all
    )


def paste(page: Path, folder: Path, npm_packages: Path, packed: Path) -> None:
    """Do what a page says: install its packages, save its files, run its generators."""
    node_modules = folder / "node_modules"
    (node_modules / "@types").mkdir(parents=True)
    (node_modules / ".bin").symlink_to(npm_packages / ".bin")
    (folder / "package.json").write_text('{ "type": "module" }', encoding="utf-8")
    shutil.copy(ROOT / "schema.graphql", folder)
    commands: list[list[str]] = []
    text = page.read_text(encoding="utf-8")
    before = [page.with_name(name) for name in re.findall(r"come from the page on \[[^]]*\]\((\S+\.md)\)", text)]
    for block in [block for each in (*before, page) for block in blocks(each)]:
        if block.language == "bash":
            commands += [shlex.split(line) for line in block.text.splitlines()]
        elif block.language in {"ts", "tsx", "json"} and block.file is not None:
            if block.file.startswith(EXAMPLES) or block.file == f"{EMPTY_FOLDER}vite.config.ts":
                continue
            file = folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as pasted:
                pasted.write(block.text)
    for command in commands:
        match command:
            case ["npm", "install", *packages]:
                for name in {*packages} - {"--save-dev"}:
                    if name.endswith(PACKED):
                        install(packed, node_modules)
                    elif not (node_modules / name).exists():
                        (node_modules / name).parent.mkdir(exist_ok=True)
                        (node_modules / name).symlink_to(npm_packages / name)
            case ["npx", *words]:
                (folder / "relay" / "generated").mkdir(parents=True, exist_ok=True)
                run("npx", "--no-install", *words, folder=folder)
            case _:
                pass
