"""The documents are true: their commands are run, and their names exist."""

import asyncio
import os
import re
import signal
import sys
import tomllib
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from graphql import build_schema, parse, validate

from application.paths import ROOT
from application.settings import PREFIX, RENAMED, Settings
from tests.support.brokers import free_port
from tests.support.waiting import PATIENCE_S

README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
DOCUMENTS = (README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
TYPED = {"bash", "python"}
SHOWN = {"json", "text"}
_BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<person>\w+))?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
# The differences between any two runs.
_RANDOM = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"/media/[0-9a-f]{32}"), "/media/NAME"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00"), "TIME"),
)


@dataclass(frozen=True)
class Block:
    """A code block in a document; ``person`` names its terminal."""

    language: str
    person: str | None
    text: str


def blocks(document: Path) -> Iterator[Block]:
    """The code blocks of a document, in order."""
    for match in _BLOCK.finditer(document.read_text(encoding="utf-8")):
        yield Block(match["language"], match["person"], match["text"])


class Terminal:
    """The shell of one person in the example."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.put_nowait(line.decode().rstrip("\n"))

    async def run(self, script: str) -> None:
        """Type commands."""
        assert self._process.stdin is not None
        self._process.stdin.write(script.encode() + b"\n")
        await self._process.stdin.drain()

    async def shows(self, expected: list[str]) -> None:
        """Fail unless exactly these lines come next; two that race may come in either order."""
        async with asyncio.timeout(PATIENCE_S):
            shown = [await self.lines.get() for _ in expected]
        assert sorted(map(_settled, shown)) == sorted(map(_settled, expected))

    async def close(self) -> None:
        """End the shell and its processes."""
        os.killpg(self._process.pid, signal.SIGTERM)
        await self._process.wait()
        await self._reader


def _settled(line: str) -> str:
    for pattern, name in _RANDOM:
        line = pattern.sub(name, line)
    return line


@asynccontextmanager
async def terminal(folder: Path) -> AsyncIterator[Terminal]:
    """A terminal in that folder, where `uv run` is this Python with its packages."""
    uv = folder / "bin" / "uv"
    uv.parent.mkdir(exist_ok=True)
    # Python reads input line by line only from a terminal, or with -i.
    uv.write_text(f'#!/bin/sh\nshift\n[ "$*" = python ] && set -- -i\nexec {sys.executable} "$@"\n')
    uv.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        "bash",
        cwd=folder,
        env={**_environment(), "PATH": f"{uv.parent}:{os.environ['PATH']}"},
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
    opened = Terminal(process)
    try:
        yield opened
    finally:
        await opened.close()


def _environment() -> dict[str, str]:
    # Unbuffered Python writes a line in two parts, and another program's line may come between them.
    return {
        name: value
        for name, value in os.environ.items()
        if (not name.startswith(PREFIX) or name == f"{PREFIX}BUILD_PAGES") and name != "PYTHONUNBUFFERED"
    }


@asynccontextmanager
async def fresh_server(folder: Path) -> AsyncIterator[int]:
    """A server with only default settings and its data in that folder; its port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "server.py"),
        "serve",
        f"--port={port}",
        cwd=folder,
        env=_environment(),
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(timeout=PATIENCE_S) as http:
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/healthz")
                    break
                except httpx.TransportError:
                    assert process.returncode is None, "the server ended"
                    await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def test_the_examples_of_readme_and_tutorial_work_as_written(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    async with fresh_server(tmp_path) as port:
        for document in (README, TUTORIAL):
            await _follow(document, tmp_path, port)


async def _follow(document: Path, folder: Path, port: int) -> None:
    steps = [block for block in blocks(document) if block.person is not None]
    assert {block.language for block in steps} <= TYPED | SHOWN
    assert any("COMPLETED" in block.text for block in steps if block.language in SHOWN)
    async with AsyncExitStack() as stack:
        people: dict[str, Terminal] = {}
        for step in steps:
            assert step.person is not None
            if step.person not in people:
                people[step.person] = await stack.enter_async_context(terminal(folder))
            if step.language in TYPED:
                await people[step.person].run(step.text.replace("localhost:8000", f"localhost:{port}"))
            else:
                await people[step.person].shows(step.text.splitlines())
        assert all(person.lines.empty() for person in people.values())


def test_the_operations_of_the_documents_fit_the_schema() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
    operations = [
        block.text for document in DOCUMENTS for block in blocks(document) if block.language == "graphql"
    ]
    assert operations
    for operation in operations:
        assert validate(schema, parse(operation)) == []


def test_the_page_of_settings_lists_every_one() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    listed = dict(re.findall(rf"^\| `{PREFIX}(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert listed == {name.upper(): _cells(name) for name in Settings.model_fields}


def _cells(name: str) -> str:
    field = Settings.model_fields[name]
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        default = str(default).lower()
    shown = "" if default is None or default in ((), {}) else f"`{default}`"
    return f"{shown} | {field.description}"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    requirements = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    required = {
        re.split(r"[\[>]", requirement)[0]
        for group in requirements
        for requirement in group
        if isinstance(requirement, str)
    }
    _, _, reasons = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").partition("## Dependencies")
    assert required == set(re.findall(r"`([a-z0-9-]+)`(?=[^|\n]* \| )", reasons))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_of_a_document_exists(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_the_settings_that_a_document_names_exist(document: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}([A-Z0-9_]+)", document.read_text(encoding="utf-8")))
    # The notes for a new version also have the old names.
    known = {*map(str.upper, Settings.model_fields), *RENAMED}
    assert {name for name in named if not name.startswith("TEST_")} <= known
