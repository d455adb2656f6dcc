"""The page of what each release changed in the schema, written from tags by graphql-inspector."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from application.paths import ROOT
from tests.support import tools

FOLDER = ROOT / "docs" / "changelog"
FIRST = 'type Query { a: Int b: Int @deprecated(reason: "Use a.") c: E } enum E { F }'
SECOND = "type Query { a: Int c: E d: String } enum E { F G }"
BREAKING = "type Query { c: E d: String } enum E { F G }"

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(180)


class Repository:
    """A repository with a schema and the page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "docs" / "changelog").mkdir(parents=True)
        self.accept({})
        self.version("0.0.0")
        self._git("init", "-q")

    def _git(self, *arguments: str) -> None:
        who = {
            f"GIT_{role}_{what}": "x@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        subprocess.run(["git", *arguments], cwd=self._folder, check=True, env={**os.environ, **who})

    def schema(self, text: str) -> None:
        """Change the schema of now."""
        (self._folder / "schema.graphql").write_text(text)

    def accept(self, breaks: dict[str, str]) -> None:
        """Name changes that break clients, with their reasons."""
        (self._folder / "docs" / "changelog" / "accepted.json").write_text(json.dumps(breaks))

    def version(self, version: str) -> None:
        """Change the version of the project."""
        (self._folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')

    def release(self, version: str, schema: str) -> None:
        """Commit this schema and tag it."""
        self.schema(schema)
        self.version(version)
        self._git("add", "-A")
        self._git("commit", "-q", "-m", version)
        self._git("tag", f"v{version}")

    def forget(self, version: str) -> None:
        """Lose a tag, as a clone without tags."""
        self._git("tag", "-d", f"v{version}")

    def write(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        command = ["node", FOLDER / "write.mjs", *options, "--repository", self._folder]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def section(self, title: str) -> str:
        """The section of the page whose title begins so."""
        page = (self._folder / "docs" / "schema-changelog.md").read_text()
        (found,) = (part for part in page.split("\n## ") if part.startswith(title))
        return found


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    tools.npm_packages(FOLDER)
    if shutil.which("git") is None:
        tools.missing("git", "install git")
    return Repository(tmp_path)


def test_each_release_has_a_section_with_its_changes_by_kind(repository: Repository) -> None:
    repository.release("0.1.0", FIRST)
    repository.release("0.2.0", SECOND)
    repository.schema(SECOND.replace("d: String", "d: String e: Int"))
    assert repository.write().stderr == ""
    assert "as it is there" in repository.section("0.1.0")
    second = repository.section("0.2.0")
    removed, dangerous, safe = second.split("###")[1:]
    assert removed.startswith(" Removed, after it had been deprecated")
    assert "`b`" in removed
    assert "`G`" in dangerous
    assert "`d`" in safe
    assert "Breaks clients" not in second
    assert "`e`" in repository.section("Not released yet")
    assert repository.write("--check").returncode == 0


def test_the_page_of_a_release_is_right_before_and_after_its_tag(repository: Repository) -> None:
    repository.release("0.1.0", FIRST)
    repository.write()
    repository.schema(SECOND)
    repository.version("0.2.0")
    repository.write()
    assert "`d`" in repository.section("Not released yet")
    assert repository.write("--release").stderr == ""
    section = repository.section("0.2.0")
    assert "`d`" in section
    assert repository.write("--check").returncode == 0
    repository.release("0.2.0", SECOND)
    assert repository.write("--check").returncode == 0
    assert repository.section("0.2.0") == section


def test_a_break_without_notice_is_refused_until_it_is_named(repository: Repository) -> None:
    repository.release("0.1.0", SECOND)
    repository.schema(BREAKING)
    refused = repository.write()
    assert refused.returncode == 1
    (change,) = refused.stderr.splitlines()[1:]
    assert "'a'" in change
    repository.accept({change: "It showed the place of a driver."})
    assert repository.write().stderr == ""
    section = repository.section("Not released yet")
    assert "Breaks clients" in section
    assert "It showed the place of a driver." in section


def test_a_stale_page_and_a_missing_tag_fail_the_check(repository: Repository) -> None:
    repository.release("0.1.0", FIRST)
    repository.write()
    repository.schema(SECOND)
    assert "is stale" in repository.write("--check").stderr
    repository.write()
    repository.release("0.2.0", SECOND)
    repository.write()
    assert repository.write("--check").returncode == 0
    # Otherwise a clone without tags would write a page without releases.
    repository.forget("0.1.0")
    missing = repository.write()
    assert (missing.returncode, missing.stderr) == (1, "there is no tag v0.1.0: git fetch --tags\n")


def test_the_committed_page_is_that_of_the_tags_and_the_schema() -> None:
    tools.npm_packages(FOLDER)
    done = subprocess.run(["node", FOLDER / "write.mjs", "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
