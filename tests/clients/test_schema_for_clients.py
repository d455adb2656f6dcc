"""`schema.graphql` suits code generators, and does not break them without notice."""

import json
import subprocess
from pathlib import Path

import pytest

from application.paths import ROOT
from tests.clients.conftest import FOLDER
from tests.support import tools

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)

SCHEMA = ROOT / "schema.graphql"
CHANGELOG = ROOT / "docs" / "changelog"
FAULTY = 'type trip_payload { "A field." Id: Int }\nextend type Query { "A trip." getTrip: trip_payload }\n'


def test_the_schema_passes_the_recommended_lint_rules(npm_packages: Path) -> None:
    folder = FOLDER / "lint"
    folder.mkdir(exist_ok=True)
    (folder / "schema.graphql").write_text(SCHEMA.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "faulty.graphql").write_text(FAULTY, encoding="utf-8")
    done = subprocess.run(
        ["node", npm_packages / "eslint" / "bin" / "eslint.js", "--format=json", folder],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    found = {Path(file["filePath"]).name: file["messages"] for file in json.loads(done.stdout)}
    assert found["schema.graphql"] == []
    # The rules work: they find these faults.
    rules = {message["ruleId"].removeprefix("@graphql-eslint/") for message in found["faulty.graphql"]}
    assert rules >= {"naming-convention", "require-description", "strict-id-in-types"}


TYPES = {
    "older": """
        type Query { a: Int b: Int @deprecated(reason: "Use a.") c(d: Int, e: Int @deprecated(reason: "No.")): E }
        enum E { F G @deprecated(reason: "Use F.") }
    """,
    "without what was deprecated": "type Query { a: Int c(d: Int): E } enum E { F }",
    "with more": "type Query { a: Int b: Int c(d: Int, e: Int, f: Int): E h: String } enum E { F G I }",
    "without a field": "type Query { b: Int c(d: Int, e: Int): E } enum E { F G }",
    "without an argument": "type Query { a: Int b: Int c(e: Int): E } enum E { F G }",
    "without a value": "type Query { a: Int b: Int c(d: Int, e: Int): E } enum E { G }",
    "with another type": "type Query { a: String b: Int c(d: Int, e: Int): E } enum E { F G }",
    "with a new demand": "type Query { a: Int b: Int c(d: Int!, e: Int): E } enum E { F G }",
}


def test_removing_a_deprecated_field_breaks_no_client_and_removing_another_does(
    tmp_path: Path,
) -> None:
    files = {name: tmp_path / f"{name}.graphql" for name in TYPES}
    for name, text in TYPES.items():
        files[name].write_text(text)
    newer = [name for name in TYPES if name != "older"]
    breaks = changes([(files["older"], files[name]) for name in newer])
    assert [name for name, found in zip(newer, breaks, strict=True) if not found] == newer[:2]


def test_the_schema_breaks_no_client_of_its_last_versions_unless_that_was_accepted(tmp_path: Path) -> None:
    pairs = []
    for number, version in enumerate(last_versions()):
        older = tmp_path / f"{number}.graphql"
        older.write_text(version, encoding="utf-8")
        pairs.append((older, SCHEMA))
    accepted = json.loads((CHANGELOG / "accepted.json").read_text(encoding="utf-8"))
    breaks = {message for found in changes(pairs) for message in found}
    assert breaks - accepted.keys() == set(), "deprecate first, or accept them in docs/changelog/accepted.json"


def last_versions() -> list[str]:
    """The schema of the last commit, or if it is equal to this one, of the commit before; and that of the last
    release.
    """
    changed = git("log", "-1", "--format=%H", "--", "schema.graphql").strip()
    if not changed:
        return []
    committed = git("show", f"{changed}:schema.graphql")
    if committed == SCHEMA.read_text(encoding="utf-8"):
        committed = git("show", f"{changed}^:schema.graphql")
    release = git("describe", "--tags", "--abbrev=0", "--match=v*").strip()
    released = git("show", f"{release}:schema.graphql") if release else ""
    return [version for version in (committed, released) if version]


def git(*arguments: str) -> str:
    """The output of git; empty if it has none, as outside a repository or without a history."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def changes(pairs: list[tuple[Path, Path]]) -> list[list[str]]:
    """For each pair, older and newer, the changes that break clients."""
    tools.npm_packages(CHANGELOG)
    command = ["node", CHANGELOG / "breaks.mjs", *(file for pair in pairs for file in pair)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
