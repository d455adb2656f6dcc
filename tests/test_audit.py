"""The audit of dependencies reports what it found, and does not treat missing data as safe."""

import gzip
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


def audit(url: str) -> tuple[int, list[str]]:
    """The exit status, and the lines with the results."""
    done = subprocess.run(
        [".ci/audit", "--service-url", url],
        cwd=ROOT,
        env={**os.environ, "npm_config_registry": url, "UV_NO_CACHE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    subjects = ("Python: ", "web: ", "clients/typescript: ", "tests/clients: ")
    verdicts = [line for line in done.stdout.splitlines() if line.startswith(subjects)]
    return done.returncode, [line.partition(",")[0] for line in verdicts]


def test_a_known_vulnerability_fails_the_run() -> None:
    with advisories("pillow", "monaco-editor") as url:
        status, verdicts = audit(url)
    assert status == 1
    assert verdicts == [
        "Python: FAILED",
        "web: FAILED",
        "clients/typescript: no known vulnerability",
        "tests/clients: no known vulnerability",
    ]


def test_unreachable_data_is_skipped_with_a_message() -> None:
    with advisories() as url:
        pass
    skipped = ["Python: SKIPPED", "web: SKIPPED", "clients/typescript: SKIPPED", "tests/clients: SKIPPED"]
    assert audit(url) == (0, skipped)
