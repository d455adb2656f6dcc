"""The proxies' own checks of their files, and the values that must fit the server's settings."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from application.settings import Settings
from tests.support import caddy, haproxy, nginx
from tests.support.proxies import certificate_in, need_caddy, need_haproxy, need_nginx


def default(name: str) -> float:
    """The default of a numeric setting."""
    return float(Settings.model_fields[name].default)


def test_nginx_accepts_the_site_with_and_without_tls() -> None:
    need_nginx()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for certificate in (certificate_in(folder), None):
            for by_area in (False, True):
                command = nginx.command(
                    folder,
                    servers=["127.0.0.1:1"],
                    port=2,
                    plain_port=3,
                    certificate=certificate,
                    by_area=by_area,
                )
                done = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
                assert "[warn]" not in done.stderr


def test_haproxy_accepts_its_file_with_and_without_parts_of_the_town() -> None:
    need_haproxy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for areas in (None, "871969524ffffff server1\n"):
            command = haproxy.command(
                folder,
                servers=["127.0.0.1:1"],
                port=2,
                plain_port=3,
                certificate=certificate_in(folder),
                areas=areas,
            )
            done = subprocess.run([*command, "-c"], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "[WARNING]" not in done.stderr, done.stderr


def test_caddy_accepts_its_file_and_finds_it_formatted() -> None:
    need_caddy()
    found = caddy.program()
    assert found is not None
    environment = {**os.environ, "DOMAIN": "taxi.example"}
    for command in (["validate", "--config"], ["fmt"]):
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [found, *command, caddy.CADDYFILE],
                env=environment | {"HOME": home},
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        assert '"level":"warn"' not in done.stderr


def test_nginx_has_the_servers_limit_of_bodies_and_the_others_let_the_server_refuse() -> None:
    (nginx_mib,) = re.findall(r"client_max_body_size (\d+)m;", nginx.SITE.read_text(encoding="utf-8"))
    assert int(nginx_mib) * 1024 * 1024 == default("max_body_bytes")
    assert "body_size" not in haproxy.CONFIG.read_text(encoding="utf-8")
    (caddy_mb,) = re.findall(r"max_size (\d+)MB", caddy.CADDYFILE.read_text(encoding="utf-8"))
    assert int(caddy_mb) * 1_000_000 > default("max_body_bytes")


def test_both_close_idle_connections_before_the_server_does() -> None:
    site = nginx.SITE.read_text(encoding="utf-8")
    assert re.search(r"keepalive \d+;", site)
    # nginx' own default holds: 60 seconds.
    assert "keepalive_timeout" not in site
    (seconds,) = re.findall(r"\bkeepalive (\d+)s", caddy.CADDYFILE.read_text(encoding="utf-8"))
    assert max(60, int(seconds)) < default("keep_alive_s")


def test_nginx_and_haproxy_wait_longer_than_the_pings_of_a_socket_are_apart() -> None:
    (nginx_s,) = re.findall(r"proxy_read_timeout (\d+)s;", nginx.SITE.read_text(encoding="utf-8"))
    (haproxy_s,) = re.findall(r"timeout tunnel (\d+)s", haproxy.CONFIG.read_text(encoding="utf-8"))
    for seconds in (nginx_s, haproxy_s):
        assert int(seconds) > default("ping_interval_s") + default("pong_timeout_s")
