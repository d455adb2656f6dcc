"""Caddy with the file of ``deploy/caddy/``, on free ports of loopback."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from application.paths import ROOT

CADDYFILE = ROOT / "deploy" / "caddy" / "Caddyfile"

# The global options of a machine that must stay as it is: Caddy would add the certificate's authority to it.
# `X-Server` names the server that answered, only for the tests.
_AROUND = """{{
    admin off
    skip_install_trust
    http_port {plain_port}
    https_port {port}
    storage file_system {folder}/storage
}}
import {site}
"""


def program() -> str | None:
    """Caddy from the wheel; None if it is not installed."""
    return shutil.which("caddy", path=Path(sys.executable).parent)


def command(folder: Path, *, port: int, plain_port: int) -> list[str]:
    """The command that runs the site."""
    found = program()
    assert found is not None, "Caddy is not installed"
    site = folder / "site"
    # Which server answered is said for the tests alone.
    text = CADDYFILE.read_text(encoding="utf-8")
    assert "\n}\n" in text
    site.write_text(
        text.replace("\t\tlb_policy ", "\t\theader_down X-Server {rp.upstream.hostport}\n\t\tlb_policy ")
    )
    config = folder / "Caddyfile"
    config.write_text(_AROUND.format(folder=folder, port=port, plain_port=plain_port, site=site))
    return [found, "run", "--adapter", "caddyfile", "--config", str(config)]


def environment(folder: Path, *, port: int, servers: Sequence[str]) -> Mapping[str, str]:
    """What the file reads of its environment; ``servers``: ``HOST:PORT`` of each."""
    return {
        "HOME": str(folder),
        "DOMAIN": f"https://127.0.0.1:{port}",
        "SERVERS": " ".join(servers),
    }
