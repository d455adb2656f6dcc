"""The compose files fit the specification, and the one with Caddy fits the one that it is added to."""

import ipaddress
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from application.paths import ROOT
from application.settings import PREFIX, Settings
from tests.support.tools import run

BASE, CADDY = ROOT / "docker-compose.yml", ROOT / "deploy" / "caddy" / "compose.yml"


def check_schema(path: Path) -> None:
    """Fail unless the file fits the schema of the compose specification."""
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path))
    run(*command, folder=ROOT)


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [BASE, CADDY], ids=lambda path: path.name)
def test_the_file_fits_the_schema_of_the_specification(path: Path) -> None:
    check_schema(path)


def test_the_schema_finds_a_misspelt_key(tmp_path: Path) -> None:
    """The test above would also pass if nothing were checked."""
    wrong = tmp_path / "compose.yml"
    wrong.write_text(CADDY.read_text(encoding="utf-8").replace("stop_grace_period", "stop_grace"))
    with pytest.raises(pytest.fail.Exception, match="stop_grace"):
        check_schema(wrong)


def test_the_server_trusts_caddys_address_and_no_other() -> None:
    compose = read(CADDY)
    address = compose["services"]["caddy"]["networks"]["edge"]["ipv4_address"]
    assert compose["services"]["server"]["environment"][f"{PREFIX}TRUSTED_PROXIES"] == address
    (network,) = compose["networks"]["edge"]["ipam"]["config"]
    assert ipaddress.ip_address(address) in ipaddress.ip_network(network["subnet"])
    # Only the two are in that network, so Caddy reaches the server from that address.
    assert [name for name, service in compose["services"].items() if "edge" in service["networks"]] == [
        "caddy",
        "server",
    ]
    assert "edge" not in read(BASE)["networks"]


def test_the_settings_are_valid_and_the_stop_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    server = read(CADDY)["services"]["server"]
    for name, value in server["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{[^}]*\}", "taxi.example", str(value)))
    settings = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
    assert settings.public_url == "https://taxi.example"
    took_s = settings.drain_delay_s + settings.drain_s + settings.shutdown_timeout_s
    assert took_s < int(server["stop_grace_period"].removesuffix("s"))
    # Each is a setting that the file of the server passes on.
    assert server["environment"].keys() <= read(BASE)["services"]["server"]["environment"].keys()


def test_caddys_file_gets_what_it_reads() -> None:
    caddy = read(CADDY)["services"]["caddy"]
    text = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    assert caddy["environment"].keys() == set(re.findall(r"\{\$(\w+)", text))
    # The paths of the second file are relative to the folder of the first.
    mounted = caddy["volumes"][0].split(":")
    assert (BASE.parent / mounted[0]).read_text(encoding="utf-8") == text
    assert mounted[1:] == ["/etc/caddy/Caddyfile", "ro"]


def test_only_caddy_is_open_to_others() -> None:
    compose = read(CADDY)
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["caddy"]
    assert compose["services"]["caddy"]["depends_on"]["server"]["condition"] == "service_healthy"
