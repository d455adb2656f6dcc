"""The code on the pages in docs/clients is the code that the clients in this folder run."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, build_schema

from application.paths import ROOT
from application.settings import PREFIX, Settings
from tests.clients.conftest import ARIADNE, FOLDER
from tests.clients.test_javascript_clients import CLIENTS

PAGES = sorted((ROOT / "docs" / "clients").glob("*.md"))
_BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<file>[^"]+)")?\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE
)

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
    clients = {*CLIENTS, "gql", "ariadne-codegen", "graphql-codegen"} - {"graphcache"}
    assert {page.stem for page in PAGES} == {"index", *clients}


@each_page
def test_the_code_of_a_page_is_the_code_that_is_tested(page: Path) -> None:
    for block in blocks(page):
        if block.language == "bash":
            continue
        assert block.file is not None, block.text
        assert lines(block.text) in lines((FOLDER / block.file).read_text(encoding="utf-8")), block.file


def test_every_set_up_is_shown_completely() -> None:
    shown = {block.file: block.text for page in PAGES for block in blocks(page)}
    for path in FOLDER.glob("setup/*.*"):
        assert shown[f"setup/{path.name}"] == path.read_text(encoding="utf-8")


@each_page
def test_the_commands_of_a_page_are_those_that_the_tests_have_run(page: Path) -> None:
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    build = {tuple(shlex.split(command)) for command in package["scripts"]["build"].split("&&")}
    for command in [
        line for block in blocks(page) if block.language == "bash" for line in block.text.splitlines()
    ]:
        match shlex.split(command):
            case ["npm", "install", *packages]:
                assert {*packages} - {"--save-dev"} <= set(package["devDependencies"])
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


def test_graphcache_knows_every_type_without_an_id() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    roots = {schema.query_type, schema.mutation_type, schema.subscription_type}
    without = {
        name
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLObjectType) and type_ not in roots and "id" not in type_.fields
        if not name.startswith("__")
    }
    assert set(re.findall(r"(\w+): \(\) => null", setup("graphcache.ts"))) == without


def test_apollo_knows_the_types_of_every_interface() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    interfaces = {
        name: [object_.name for object_ in schema.get_possible_types(type_)]
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLInterfaceType)
    }
    known = re.search(r"possibleTypes: \{(.*)\}", setup("apollo.ts"))
    assert known is not None
    told = re.findall(r"(\w+): (\[.*?\])", known[1])
    assert {name: json.loads(types) for name, types in told} == interfaces


def setup(name: str) -> str:
    return (FOLDER / "setup" / name).read_text(encoding="utf-8")
