"""A running client: a script for Node that prints a line of JSON for each step."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.waiting import PATIENCE_S


class Script:
    """The reports of a client. Every line is printed too, so that pytest shows it with a failure."""

    complaints: list[str]
    """Lines that are no reports: warnings of the libraries."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._reports: list[dict[str, Any]] = []
        self.complaints = []

    async def first(self, who: str, step: str) -> dict[str, Any]:
        """Wait for the first report of a step."""
        while not (found := self.all(who, step)):
            if not await self._read():
                self._fail(f"ended before {who} reported {step!r}")
        return found[0]

    def all(self, who: str, step: str) -> list[dict[str, Any]]:
        """All reports of a step."""
        return [
            {key: value for key, value in report.items() if key not in ("who", "step")}
            for report in self._reports
            if (report["who"], report["step"]) == (who, step)
        ]

    async def finish(self) -> None:
        """Wait until the process ends by itself, which it does when nothing is open and nothing is awaited."""
        while await self._read():
            pass
        if await self._process.wait() != 0:
            self._fail(f"ended with {self._process.returncode}")

    async def _read(self) -> bool:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = (await self._process.stdout.readline()).decode()
        except TimeoutError:
            self._fail(f"reported nothing for {PATIENCE_S} s, and did not end")
        print(line, end="")
        if line.startswith("{"):
            self._reports.append(json.loads(line))
        elif line:
            self.complaints.append(line)
        return line != ""

    def _fail(self, what: str) -> NoReturn:
        pytest.fail(f"The script {what}. Its output is shown below.", pytrace=False)


@asynccontextmanager
async def running(*command: str | Path) -> AsyncIterator[Script]:
    """Run a script; it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield Script(process)
    finally:
        if process.returncode is None:
            process.kill()
        rest, _ = await process.communicate()
        print(rest.decode(), end="")
