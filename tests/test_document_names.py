"""Names in the documents exist: files, folders, classes with their members, modules with their functions."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, build_schema

from application.paths import ROOT

DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
CODE = ("application", "schema", "gateway", "admin", "services", "models", "simulation", "benchmarks")
FOLDERS = (*CODE, "tests", "migrations", "web", "clients/typescript", "examples", "deploy", "docs")
# Media types begin with the name of a folder too.
PATH = re.compile(rf"(?<![\w/.:-])(?:{'|'.join(FOLDERS)})/(?!json|graphql)[\w./-]*[\w/]")
# Built folders.
NOT_KEPT = ("web/dist",)
NAME = re.compile(r"((?:[a-z]\w*\.)*?)(_?[A-Za-z]\w*)[.](\w+)(?:\(.*\))?")
FILE = re.compile(r"[\w-]+\.(?:py|toml|txt|lock|graphql|json|yml|md|ts|css)")
# Names in GraphQL answers.
NOT_OURS = {"extensions", "data", "trip", "webhook"}


@cache
def members() -> dict[str, set[str]]:
    """The members of each class and module; those of one name together."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "server.py", *(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))):
        tree = ast.parse(path.read_text())
        found.setdefault(path.stem, set()).update(_bound(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_bound(node), _set_on_self(node))
    for name, kind in build_schema((ROOT / "schema.graphql").read_text()).type_map.items():
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            found.setdefault(name, set()).update(kind.fields)
    return found


def _bound(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _set_on_self(scope: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def missing_paths(text: str) -> list[str]:
    """The paths in a text that look like paths of the repository, and do not exist."""
    found = [*PATH.findall(text), *re.findall(r"`([\w.-]+\.(?:py|graphql|toml|ts|yml))`", text)]
    return [path for path in found if not path.startswith(NOT_KEPT) and not (ROOT / path).exists()]


def missing_names(text: str) -> list[str]:
    """The names in backticks of a text, such as ``Class.method``, that the source does not have."""
    missing: list[str] = []
    for quoted in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text):
        # An object that is imported by its name has a colon: `package.module:function`.
        match = NAME.fullmatch(re.sub(r"(?<=\.\w{2})(\w*):", r"\1.", quoted))
        if match is None or quoted.split(".")[0] in NOT_OURS or FILE.fullmatch(quoted):
            continue
        if match[3] not in members().get(match[2], ()):
            missing.append(quoted)
    return missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    assert not missing_paths(document.read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_class_and_function_that_a_document_names_exists(document: Path) -> None:
    assert not missing_names(document.read_text())


def test_an_invented_name_is_found() -> None:
    """The two tests above would also pass if they checked nothing."""
    text = "`hubb.py` `services/live/huba.py` `Hub.dispatch` `Hub.resync` `Hubble.resync` `hubs.go`"

    assert missing_paths(text) == ["services/live/huba.py", "hubb.py"]
    assert missing_names(text) == ["Hub.dispatch", "Hubble.resync", "hubs.go"]


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    folder = ROOT / "docs"
    listed = set(re.findall(r'"([\w/-]+\.md)"', (folder / "site" / "zensical.toml").read_text(encoding="utf-8")))
    pages = {page.relative_to(folder) for page in folder.rglob("*.md")}
    # The packages of the change log's tool, once they are installed, have pages of their own.
    assert {str(page) for page in pages if "node_modules" not in page.parts} - listed == set()
