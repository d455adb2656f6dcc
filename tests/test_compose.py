"""The container files match the code, as far as can be checked without a container engine."""

import ast
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.applications import Starlette
from starlette.routing import Route

from application.commands import cli
from application.paths import ROOT
from application.settings import PREFIX, Settings, SettingsError, load_settings
from gateway.health import health_routes
from services.events.bus import BusState

COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SIMULATION = ROOT / "simulation"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
# One instruction on each line.
INSTRUCTIONS = [
    line for line in DOCKERFILE.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")
]
MAY_BE_EMPTY = {"allowed_hosts", "allowed_origins", "map_origins", "trusted_proxies", "webhook_private_hosts"}
FINAL_STAGE = INSTRUCTIONS[max(i for i, line in enumerate(INSTRUCTIONS) if line.startswith("FROM ")) :]


def filled(text: str, values: Mapping[str, str]) -> str:
    """Compose's `${NAME:-default}` and `${NAME:?message}`, replaced."""

    def value(match: re.Match[str]) -> str:
        return values[match[1]] if match[2] is None else values.get(match[1], match[2])

    return re.sub(r"\$\{(\w+)(?::-([^}]*)|[^}]*)\}", value, text)


def environment(**values: str) -> dict[str, str]:
    """The server's environment as compose would create it, with these variables in `.env`."""
    return {
        name: filled(value, values)
        for name, value in SERVICES["server"]["environment"].items()
        if value is not None
    }


def image_environment() -> dict[str, str]:
    """The environment that the image sets."""
    (line,) = (line for line in FINAL_STAGE if line.startswith("ENV "))
    return dict(re.findall(r"(\w+)=(\S+)", line))


@pytest.mark.parametrize("text", [COMPOSE_TEXT, DOCKERFILE], ids=["compose", "Dockerfile"])
def test_every_setting_that_is_named_exists(text: str) -> None:
    named = set(re.findall(rf"\b{PREFIX}([A-Z0-9_]+)", text))
    assert named
    assert named <= {name.upper() for name in Settings.model_fields}


def test_the_settings_of_the_compose_file_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (image_environment() | environment(POSTGRES_PASSWORD="secret")).items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
    assert (settings.host, settings.port) == ("0.0.0.0", 8000)
    assert settings.database_url == "postgresql://taxirank:secret@postgres:5432/taxirank"
    assert settings.redis_url is not None
    assert settings.shutdown_timeout_s < int(filled(SERVICES["server"]["stop_grace_period"], {}).removesuffix("s"))


def test_every_setting_is_passed_on_or_fixed() -> None:
    handed_on = {name for name in SERVICES["server"]["environment"] if name.startswith(PREFIX)}
    fixed = {f"{PREFIX}HOST", f"{PREFIX}PORT"}
    assert fixed <= image_environment().keys()
    assert handed_on == {PREFIX + name.upper() for name in Settings.model_fields} - fixed


def test_the_migrations_get_the_settings_that_they_use() -> None:
    used = {PREFIX + name for name in ("DATABASE_URL", "DATABASE_DIRECT_URL", "LOG_FORMAT")}
    assert set(SERVICES["migrate"]["environment"]) == used


def test_no_setting_of_the_image_is_taken_away() -> None:
    # Compose removes a variable that is named without a value and set nowhere.
    for name in ("server", "migrate"):
        without = {key for key, value in SERVICES[name]["environment"].items() if value is None}
        assert without.isdisjoint(image_environment())


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_setting_counts_as_unset_or_is_refused_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PREFIX + name.upper(), "")
    if name in MAY_BE_EMPTY:
        assert not getattr(load_settings(), name)
        return
    with pytest.raises(SettingsError, match=rf"(?i){name}\b[^\n]+\Z"):
        load_settings()


def test_the_image_alone_keeps_its_data_in_one_folder_of_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in image_environment().items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
    assert settings.redis_url is None
    assert str(settings.sqlite_path).startswith("/data/")
    assert settings.media_url.startswith("/data/")
    assert str(settings.mail_folder).startswith("/data/")
    assert re.search(r"--owner=taxirank .*?/data /data/media /data/mail", DOCKERFILE)


def test_a_missing_password_stops_the_start_and_says_what_to_do() -> None:
    used = re.findall(r"\$\{POSTGRES_PASSWORD([^}]*)\}", COMPOSE_TEXT)
    assert used
    assert all(rest.startswith(":?set it in .env") for rest in used)
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")


def test_the_migrations_come_after_the_database_and_before_the_server() -> None:
    assert SERVICES["migrate"]["command"] == ["migrate"]
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["server"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    database = "TAXIRANK_DATABASE_URL"
    assert SERVICES["migrate"]["environment"][database] == SERVICES["server"]["environment"][database]


def test_a_service_that_others_wait_for_has_a_health_check() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "test" in SERVICES[name]["healthcheck"]


def test_the_health_checks_request_paths_that_exist() -> None:
    async def ping() -> None:
        return None

    routes = health_routes(
        ping_database=ping,
        bus_state=lambda: BusState.OK,
        store_is_up=lambda: True,
        photos_are_up=lambda: True,
        mail_is_up=lambda: True,
        replicas_are_up=None,
        is_draining=lambda: False,
    )
    app = Starlette(routes=routes)
    paths = {route.path for route in app.routes if isinstance(route, Route)}
    asked = re.findall(r"http://127\.0\.0\.1:8000(/\w+)", DOCKERFILE + COMPOSE_TEXT)
    assert len(asked) == 2
    assert set(asked) <= paths


def test_the_commands_of_the_containers_exist() -> None:
    commands = {
        command.name or command.callback.__name__ for command in cli.registered_commands if command.callback
    }
    assert 'ENTRYPOINT ["python", "server.py"]' in FINAL_STAGE
    assert 'CMD ["serve"]' in FINAL_STAGE
    assert {"serve", *SERVICES["migrate"]["command"]} <= commands


def test_the_image_runs_as_an_ordinary_user() -> None:
    users = [line.split()[1] for line in FINAL_STAGE if line.startswith("USER ")]
    assert users == ["taxirank"]
    for name in ("migrate", "server"):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert "user" not in SERVICES[name]


def test_the_image_has_all_of_the_source_and_nothing_else() -> None:
    copied = {line.split()[-1].removesuffix("./") for line in FINAL_STAGE if line.startswith("COPY ")} - {""}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    # A folder of migrations is no Python package.
    assert copied == {*packages, "migrations", "web/dist", ".venv"}
    sources = {
        source
        for line in FINAL_STAGE
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == sources | {
        "web",
        "clients/typescript/src",
        "schema.graphql",
        "requirements.txt",
    }


def test_the_simulation_needs_nothing_that_the_image_lacks() -> None:
    main = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    libraries = {re.split(r"[\[>]", requirement)[0] for requirement in main}
    imported = {name.split(".")[0] for path in SIMULATION.glob("*.py") for name in imports(path)}
    assert imported - sys.stdlib_module_names <= libraries | {"simulation"}


def imports(path: Path) -> set[str]:
    """The modules that a file names in its imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(f"{node.module}.{node.names[0].name}" if node.module == "simulation" else node.module)
    return found


def test_only_the_server_is_published_and_only_on_loopback() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["server"]
    assert SERVICES["server"]["ports"] == ["${PUBLISH:-127.0.0.1:8000}:8000"]
    assert COMPOSE["networks"]["backend"]["internal"] is True


def test_permanent_data_is_in_volumes() -> None:
    # The image of PostgreSQL 18 keeps its data in a folder of the version below this one.
    assert SERVICES["postgres"]["volumes"] == ["database:/var/lib/postgresql"]
    settings = environment(POSTGRES_PASSWORD="secret")
    assert SERVICES["server"]["volumes"] == [
        f"photos:{settings['TAXIRANK_MEDIA_URL']}",
        f"letters:{settings['TAXIRANK_MAIL_FOLDER']}",
    ]
    assert COMPOSE["volumes"].keys() == {"database", "photos", "letters"}
