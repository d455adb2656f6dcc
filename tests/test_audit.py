"""The audit of dependencies reports what it found, and does not treat missing data as safe."""

import gzip
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from application.paths import ROOT
from tests.support.tools import need_node

pytestmark = pytest.mark.attack("fuzzing")

VULNERABILITY = {"id": "PYSEC-2026-1", "modified": "2026-01-01T00:00:00Z", "summary": "Runs what it is sent."}
ADVISORY = {"id": 1, "url": "https://example.com", "title": "Runs what it is sent", "severity": "high"}


@contextmanager
def advisories(*packages: str) -> Iterator[str]:
    """OSV and the npm registry, which report a vulnerability of these packages."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/querybatch":
                names = [query["package"]["name"] for query in json.loads(body)["queries"]]
                found = {"id": VULNERABILITY["id"], "modified": VULNERABILITY["modified"]}
                self._answer({"results": [{"vulns": [found]} if name in packages else {} for name in names]})
            else:
                known = json.loads(gzip.decompress(body)).keys() & packages
                self._answer({name: [{**ADVISORY, "vulnerable_versions": "*"}] for name in known})

        def do_GET(self) -> None:
            self._answer(VULNERABILITY)

        def _answer(self, answer: Any) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _npm() -> None:
    need_node()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Ours with two of the locked npm packages: looking them up takes a second each."""
    for file in (
        *(".ci/audit", "pyproject.toml", "uv.lock"),
        *("web/package.json", "web/package-lock.json"),
        *("tests/federation/package.json", "tests/federation/package-lock.json"),
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    # A folder that is no part of the repository.
    (tmp_path / "web/node_modules").mkdir()
    shutil.copy(tmp_path / "web/package-lock.json", tmp_path / "web/node_modules/package-lock.json")
    (tmp_path / ".gitignore").write_text("node_modules\n")
    for command in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def audit(repository: Path, url: str) -> tuple[int, list[str]]:
    """The exit status, and the lines with the results."""
    done = subprocess.run(
        [".ci/audit", "--service-url", url],
        cwd=repository,
        env={**os.environ, "npm_config_registry": url, "UV_NO_CACHE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = [line for line in done.stdout.splitlines() if re.match(r"\S+: (FAILED|SKIPPED|no known)", line)]
    return done.returncode, [line.partition(",")[0] for line in verdicts]


def test_a_known_vulnerability_fails_the_run(repository: Path) -> None:
    with advisories("pillow", "monaco-editor") as url:
        status, verdicts = audit(repository, url)
    assert status == 1
    assert verdicts == ["Python: FAILED", "tests/federation: no known vulnerability", "web: FAILED"]


def test_unreachable_data_is_skipped_with_a_message(repository: Path) -> None:
    with advisories() as url:
        pass
    assert audit(repository, url) == (0, ["Python: SKIPPED", "tests/federation: SKIPPED", "web: SKIPPED"])
