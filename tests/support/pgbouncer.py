"""A real PgBouncer in transaction mode, in front of the tests' PostgreSQL."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tests.support.tools import missing

PORT = 6432
WANTED = (1, 21)
USER = "pgserver"


@contextmanager
def pgbouncer(postgres_url: str, *, max_prepared_statements: int = 200, ignored: str = "") -> Iterator[Path]:
    """Two connections to PostgreSQL, shared by all clients; yields the folder of its socket, on port 6432."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/local/bin:/usr/sbin")
    if program is None or _version(program) < WANTED:
        missing("PgBouncer 1.21 or newer", "run .ci/pgbouncer, or install your system's")
    url = urlsplit(postgres_url)
    host = dict(parse_qsl(url.query)).get("host") or url.hostname
    with tempfile.TemporaryDirectory(prefix="taxirank-pgb-") as name:
        folder = Path(name)
        config = folder / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host={host} port={url.port or 5432} user={url.username or 'postgres'}\n"
            f"[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {folder}\n"
            "pool_mode = transaction\ndefault_pool_size = 2\nauth_type = any\n"
            f"ignore_startup_parameters = {ignored}\n"
            f"max_prepared_statements = {max_prepared_statements}\n"
        )
        as_other: list[str] = []
        if os.geteuid() == 0:
            # It refuses to run as root.
            folder.chmod(0o777)
            as_other = ["-u", USER]
        process = subprocess.Popen(
            [program, *as_other, str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "process up" in line:
                    break
            else:
                raise AssertionError("PgBouncer does not start")
            yield folder
        finally:
            process.terminate()
            process.communicate()


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0, 0)
