"""HAProxy with the file of ``deploy/haproxy/``, on free ports of loopback."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from application.paths import ROOT
from tests.support.nginx import Certificate, uncommented

CONFIG = ROOT / "deploy" / "haproxy" / "taxirank.cfg"
AREAS = CONFIG.with_name("areas.sql")
# Where systems keep what only administrators start.
_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"


def program() -> str | None:
    """HAProxy of the system; None if it is not installed."""
    return shutil.which("haproxy") or shutil.which("haproxy", path=_PLACES)


def command(
    folder: Path,
    *,
    servers: Sequence[str],
    port: int,
    plain_port: int,
    certificate: Certificate | None,
    areas: str | None = None,
) -> list[str]:
    """The command that runs the configuration, which is written to the folder.

    ``servers``: ``HOST:PORT`` of each. ``plain_port``: for http, which leads to https. Without a certificate https
    is served without TLS. ``areas``: the file that says which server has which cell; None: the file stays unused.
    ``X-Server`` names the server that answered, only for the tests.

    Raises: ValueError if a line of the configuration, which is changed for this, is not there.
    """
    found = program()
    assert found is not None, "HAProxy is not installed"
    text = CONFIG.read_text(encoding="utf-8")
    lines = "\n".join(f"    server server{n} {server}" for n, server in enumerate(servers, 1))
    secure = f"bind 127.0.0.1:{port}"
    if certificate is not None:
        chain_and_key = folder / "taxi.example.pem"
        chain_and_key.write_bytes(certificate.chain.read_bytes() + certificate.key.read_bytes())
        secure += f" ssl crt {chain_and_key} alpn h2,http/1.1"
    changes = [
        # The tests are nobody's service.
        (r"\n    (user|group) haproxy", ""),
        (r"bind :80", f"bind 127.0.0.1:{plain_port}"),
        (r"bind :443 .*", secure),
        (r"    server server1 .*", f"    http-response set-header X-Server %si:%sp\n{lines}"),
    ]
    if areas is not None:
        (folder / "areas.map").write_text(areas, encoding="utf-8")
        text = uncommented(text)
        changes.append((r"/etc/haproxy/areas\.map", str(folder / "areas.map")))
    for pattern, replacement in changes:
        text, times = re.subn(pattern, replacement, text)
        if not times:
            raise ValueError(f"{CONFIG.name} has no line like {pattern}")
    config = folder / "haproxy.cfg"
    config.write_text(text, encoding="utf-8")
    return [found, "-db", "-f", str(config)]
