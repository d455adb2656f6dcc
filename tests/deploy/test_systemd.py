"""The units of `deploy/systemd/`."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from application.commands import cli
from application.paths import ROOT
from application.settings import PREFIX, Settings
from tests.support.tools import missing

FOLDER = ROOT / "deploy" / "systemd"
UNITS = ("taxirank.service", "taxirank-migrate.service")
# What they name of the system; an empty unit is enough for the check.
TARGETS = ("sysinit", "basic", "shutdown", "network", "network-online", "multi-user")
# systemd's own scale: 0 is fully confined, 10 not at all.
MOST_EXPOSED = 2.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a machine where the units are installed."""
    units, system = tmp_path / "etc" / "systemd" / "system", tmp_path / "usr" / "lib" / "systemd" / "system"
    system.mkdir(parents=True)
    units.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(FOLDER / unit, units)
    for target in TARGETS:
        (system / f"{target}.target").write_text(f"[Unit]\nDescription={target}\n")
    for program in ("opt/taxirank/.venv/bin/python", "bin/kill"):
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
    return tmp_path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze, or skip the test."""
    program = shutil.which("systemd-analyze")
    if program is None:
        missing("systemd-analyze", "install systemd; it need not run")
    return subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_COLORS": "0"},
    )


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_accepts_the_unit_without_a_warning(unit: str, root: Path) -> None:
    done = analyze("verify", "--man=no", f"--root={root}", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_warns_of_a_misspelt_line(root: Path) -> None:
    """The test above would also pass if nothing were checked."""
    unit = root / "etc" / "systemd" / "system" / UNITS[0]
    unit.write_text(unit.read_text().replace("RestartSec=", "RestartSek="))
    assert "RestartSek" in analyze("verify", "--man=no", f"--root={root}", UNITS[0]).stderr


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_is_confined(unit: str, root: Path) -> None:
    threshold = f"--threshold={MOST_EXPOSED * 10:.0f}"
    done = analyze("security", "--offline=true", threshold, f"--root={root}", unit)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def example_settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of the example of `/etc/taxirank.env`."""
    lines = (FOLDER / "taxirank.env").read_text(encoding="utf-8").splitlines()
    for name, _, value in (line.partition("=") for line in lines if line and not line.startswith("#")):
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)  # pyright: ignore[reportCallIssue]


def test_the_example_of_settings_is_valid_and_has_only_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (FOLDER / "taxirank.env").read_text(encoding="utf-8")
    named = set(re.findall(rf"^{PREFIX}(\w+)=", text, re.MULTILINE))
    assert named <= {name.upper() for name in Settings.model_fields}
    settings = example_settings(monkeypatch)
    # What it writes is below its state directory.
    assert settings.media_url.startswith("/var/lib/taxirank/")
    assert str(settings.mail_folder).startswith("/var/lib/taxirank/")
    # SIGHUP, which `systemctl reload` sends, ends a server of one process.
    assert settings.workers > 1
    assert settings.build_pages is False


def test_systemd_waits_longer_than_the_drain_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = example_settings(monkeypatch)
    unit = (FOLDER / "taxirank.service").read_text(encoding="utf-8")
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(seconds) > settings.drain_delay_s + settings.drain_s + settings.shutdown_timeout_s
    assert settings.drain_s > 0


def test_the_commands_of_the_units_exist() -> None:
    known = {command.name or command.callback.__name__ for command in cli.registered_commands if command.callback}
    texts = [(FOLDER / unit).read_text(encoding="utf-8") for unit in UNITS]
    started = [re.findall(r"^ExecStart=\S+/python server.py (\w+)$", text, re.MULTILINE) for text in texts]
    assert started == [["serve"], ["migrate"]]
    assert {"serve", "migrate"} <= known


def test_both_units_are_confined_alike() -> None:
    confined = [
        [line for line in (FOLDER / unit).read_text(encoding="utf-8").splitlines() if re.match(CONFINING, line)]
        for unit in UNITS
    ]
    assert confined[0] == confined[1] != []


CONFINING = r"(Protect|Private|Restrict|System|Capability|NoNew|Lock|RemoveIPC|UMask|StateDirectory)\w*="
