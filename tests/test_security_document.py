"""Each promise of docs/security.md names tests that exist, and each attack is named there."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from application.paths import ROOT

DOCUMENT = ROOT / "docs" / "security.md"
# By file name, which is unique.
FILES = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
HEAD = ["promise", "setting", "attacked by"]
# A file, and perhaps a test in it.
NAMED = re.compile(r"`((?:[\w./-]+/)?test_\w+\.py)(?:::(\w+)(?:\[[\w-]+\])?)?`")


def rows() -> list[list[str]]:
    """The lines of its tables of promises, without their heads."""
    found: list[list[str]] = []
    is_of_promises = False
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            is_of_promises = False
        elif cells == HEAD:
            is_of_promises = True
        elif is_of_promises and set("".join(cells)) - set("- "):
            found.append(cells)
    return found


@cache
def named_in(path: Path) -> Mapping[str, bool]:
    """The names of the tests in a file, and whether each is an attack."""
    return dict(_named_in(path))


def _named_in(path: Path) -> Iterator[tuple[str, bool]]:
    tree = ast.parse(path.read_text())
    marks_all = any(
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)
        and _is_attack(node.value)
        for node in tree.body
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, marks_all or any(_is_attack(each) for each in node.decorator_list)


def _is_attack(node: ast.expr) -> bool:
    return "pytest.mark.attack" in ast.unparse(node)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_a_promise_names_tests_that_exist(row: list[str]) -> None:
    assert len(row) == len(HEAD), row
    named = NAMED.findall(row[2])
    assert named, "no test is named"
    for file, test in named:
        path = FILES.get(Path(file).name)
        assert path is not None, f"there is no {file}"
        assert "/" not in file or path == ROOT / file, f"{file} is {path.relative_to(ROOT)}"
        assert not test or test in named_in(path), f"there is no {test} in {file}"


def test_every_attack_is_named_or_its_file_is() -> None:
    named = {(Path(file).name, test) for row in rows() for file, test in NAMED.findall(row[2])}
    lacking = [
        f"{path.relative_to(ROOT)}::{test}"
        for path in FILES.values()
        for test, is_attack in named_in(path).items()
        if is_attack and (path.name, "") not in named and (path.name, test) not in named
    ]
    assert not lacking, "docs/security.md does not say what these attack: " + ", ".join(sorted(lacking))
