"""The architecture's rules: who imports whom, who reads the environment, who names topics."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from application.paths import ROOT
from models.trip_life import TripStatus
from services.events.topics import Topics

PACKAGES = ("application", "schema", "gateway", "admin", "services", "models")
STATUSES = "|".join(TripStatus)
LINT_IMPORTS = ROOT / ".venv" / "bin" / "lint-imports"


def sources(*folders: str) -> Iterator[Path]:
    yield ROOT / "server.py"
    for folder in folders or PACKAGES:
        yield from sorted((ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file. Many tests read each file."""
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.AST) -> set[str]:
    """The modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def reads_environment(tree: ast.AST) -> bool:
    """Whether a file looks at the environment or at ``.env``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "getenvb"}:
            return True
    return any(
        re.fullmatch(r"os\.(environb?|getenvb?)|dotenv(\..*)?|pydantic_settings(\..*)?", name)
        for name in imports(tree)
    )


def names_topic(tree: ast.AST) -> bool:
    """Whether a file spells the name of a topic, or of a key in Redis."""
    texts = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return any(
        re.search(
            r"(^|:)(pool|trip|user|session|sessions|location|car|last-location|heartbeat):|:(pool|sessions|heartbeat)\b",
            t,
        )
        for t in texts
    )


def speaks_http(tree: ast.AST) -> list[str]:
    """Words of HTTP in a file, outside of its docstrings: headers, media types, paths, statuses."""
    texts = re.compile(
        r"(?i)cache-control|content-type|cookie|max-age|\b(image|text|application|multipart)/[a-z]|^/[a-z]"
    )
    names = re.compile(r"(?i)url_path|cookie|header|status_code|(content|media|mime)_?type")
    described = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, described) and node.body and isinstance(node.body[0], ast.Expr)
    }
    found = [name for name in imports(tree) if name.split(".")[0] in {"starlette", "uvicorn", "http"}]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            found += [node.value] if texts.search(node.value) else []
        for field in ("id", "attr", "arg", "name"):
            name = getattr(node, field, None)
            found += [name] if isinstance(name, str) and names.search(name) else []
    return found


def lint(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = str(LINT_IMPORTS) if LINT_IMPORTS.exists() else "lint-imports"
    return subprocess.run(
        [command, "--no-cache", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_imports_go_one_way() -> None:
    done = lint()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("layer", "forbidden"),
    [
        ("models", {"services", "schema", "gateway", "admin", "application", "server"}),
        ("services", {"schema", "gateway", "admin", "application", "server"}),
        ("schema", {"gateway", "admin", "application", "server"}),
        ("gateway", {"schema", "admin", "application", "server"}),
        ("admin", {"schema", "gateway", "application", "server"}),
        ("application", {"server"}),
    ],
)
def test_no_layer_imports_one_above_or_beside_it(layer: str, forbidden: set[str]) -> None:
    """The same as the contract, without the tool: a contract that checks nothing would pass too."""
    for path in sources(layer):
        if path.name == "server.py":
            continue
        found = {name.split(".")[0] for name in imports(tree_of(path))}
        assert not found & forbidden, name_of(path)


def test_the_simulation_knows_the_api_and_nothing_of_the_server() -> None:
    """It stands for clients: results through internal access would prove nothing about the API."""
    ours = {*PACKAGES, "server", "tests", "benchmarks"}
    for path in (ROOT / "simulation").glob("*.py"):
        assert not {name.split(".")[0] for name in imports(tree_of(path))} & ours, name_of(path)


def test_the_server_loads_the_simulation_only_for_its_command() -> None:
    """A server that serves needs neither its code nor its memory."""
    tree = ast.parse((ROOT / "application" / "commands" / "simulate.py").read_text())
    at_the_top = {name for node in tree.body if not isinstance(node, ast.FunctionDef) for name in imports(node)}
    assert not [name for name in at_the_top if name.startswith(("simulation", "rich"))]
    assert "simulation.command" in imports(tree)


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("broadcaster", {"services/events/bus.py", "services/events/redis_backend.py"}),
        (
            "redis",
            {
                "services/events/redis_address.py",
                "services/events/redis_clients.py",
                "services/events/redis_connections.py",
                "services/events/redis_errors.py",
                "services/events/redis_link.py",
                "services/events/redis_listener.py",
                "services/events/redis_nodes.py",
                "services/events/redis_publishing.py",
                "services/events/redis_target.py",
                "services/events/sentinel_target.py",
                "services/events/sentinels.py",
                "services/positions/redis_positions.py",
            },
        ),
        ("obstore", {"services/photos/store.py", "services/photos/media_url.py"}),
        (
            "tortoise",
            {
                "services/database/connections.py",
                "services/database/failures.py",
                "services/database/migrations.py",
                "services/database/transactions.py",
            },
        ),
    ],
)
def test_a_library_is_touched_where_it_belongs_and_nowhere_else(library: str, allowed: set[str]) -> None:
    found = {
        name_of(path)
        for path in sources()
        if library in {name.split(".")[0] for name in imports(tree_of(path))}
        and not name_of(path).startswith("models/")
    }

    assert found == allowed


def test_only_the_settings_read_the_environment() -> None:
    assert {name_of(path) for path in sources() if reads_environment(tree_of(path))} == {
        "application/settings.py",
        # It tells pydantic's settings how to parse a list.
        "application/setting_types.py",
        # It passes the environment on to Node, with another PATH.
        "gateway/web_build.py",
    }


def test_only_one_file_spells_topics() -> None:
    found = {name_of(path) for path in sources() if names_topic(tree_of(path))}

    assert found == {"services/events/topics.py"}


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.environ['A']",
        "import os\nos.getenv('A')",
        "from os import environ",
        "from dotenv import load_dotenv",
    ],
)
def test_reading_the_environment_is_noticed(text: str) -> None:
    assert reads_environment(ast.parse(text))
    assert not reads_environment(ast.parse("import os\nos.getpid()"))


@pytest.mark.parametrize(
    "text", ["f'{prefix}:pool:all'", "f'trip:{trip_id}'", "'x:user:' + name", "p + ':sessions'"]
)
def test_a_topic_spelled_elsewhere_is_noticed(text: str) -> None:
    assert names_topic(ast.parse(text))
    assert not names_topic(ast.parse("'The pool: drivers who hear of a request'"))


def test_every_topic_begins_with_the_prefix_and_no_two_are_alike() -> None:
    from uuid import uuid4

    topics, other = Topics("one"), Topics("two")
    an_id = uuid4()
    names = [topics.pool, topics.sessions, topics.trip(an_id), topics.user(an_id), *topics.heartbeats()]

    assert all(name.startswith("one:") for name in names)
    assert len(set(names)) == len(names)
    assert not set(names) & {other.pool, other.sessions, other.trip(an_id), other.user(an_id)}


def compares_statuses(tree: ast.AST) -> list[int]:
    """The lines that compare a trip's status, or spell one in SQL."""
    lines: list[int] = []
    for node in ast.walk(tree):
        match node:
            case ast.Compare():
                compared: list[ast.expr | ast.pattern] = [node.left, *node.comparators]
            case ast.match_case():
                compared = [node.pattern]
            case ast.Constant(value=str(text)) if re.search(rf"'({STATUSES})'", text):
                lines.append(node.lineno)
                continue
            case _:
                continue
        if any(re.search(rf"\bTripStatus\.|'({STATUSES})'", ast.unparse(each)) for each in compared):
            lines.append(compared[0].lineno)
    return lines


def test_statuses_are_compared_in_one_place() -> None:
    """Only ``models/trip_life.py`` says what a status means; SQL has its conditions from there too."""
    found = {name_of(path): lines for path in sources() if (lines := compares_statuses(tree_of(path)))}

    assert set(found) <= {"models/trip_life.py"}, found


@pytest.mark.parametrize(
    "text",
    [
        "trip.status is TripStatus.STARTED",
        "trip.status in (TripStatus.STARTED, TripStatus.IN_PROGRESS)",
        "trip.status == 'STARTED'",
        "match trip.status:\n    case TripStatus.STARTED: ...",
        "\"SELECT id FROM trips WHERE status = 'REQUESTED'\"",
        "f\"INSERT INTO trips SELECT {an_id}, 'REQUESTED'\"",
    ],
)
def test_a_status_that_is_compared_elsewhere_is_noticed(text: str) -> None:
    assert compares_statuses(ast.parse(text))
    assert not compares_statuses(
        ast.parse("move(trip, to=TripStatus.STARTED)\nREASONS = {'CANCELLED': 'Called off.'}")
    )


def test_no_service_uses_words_of_http() -> None:
    """The headers and the paths of photos belong to the modules that serve them.

    Notifications and webhooks are sent by HTTP, and are its clients.
    """
    services = (ROOT / "services").rglob("*.py")
    found = {name_of(path): words for path in services if (words := speaks_http(tree_of(path)))}

    clients = ("services/notifications/", "services/webhooks/")
    assert [name for name in found if not name.startswith(clients)] == []


@pytest.mark.parametrize(
    "text",
    [
        'IMMUTABLE = "public, max-age=31536000, immutable"',
        'TYPE = "image/webp"',
        'def path_of(name): return f"/media/{name}"',
        "def put(name, data, content_type): ...",
        "from starlette.responses import Response",
    ],
)
def test_a_word_of_http_in_a_service_is_noticed(text: str) -> None:
    assert speaks_http(ast.parse(text))
    assert not speaks_http(ast.parse('def put(name, data):\n    """Served as image/webp."""'))


def test_a_module_of_more_than_300_lines_says_why() -> None:
    everything = sources(*PACKAGES, "simulation", "benchmarks")
    long = [path for path in everything if len(path.read_text().splitlines()) > 300]

    for path in long:
        assert "Longer than 300 lines because" in (ast.get_docstring(tree_of(path)) or ""), name_of(path)


def test_only_the_database_tells_its_dialects_apart() -> None:
    """All other code asks ``Database.sql`` for the piece of SQL."""
    apart = re.compile(r"\bis_sqlite\b|\bis_postgres\b|json_each|strftime\(|\bunnest\(|\bILIKE\b")
    found = {
        name_of(path)
        for path in sources("services", "schema", "gateway", "admin")
        if apart.search(path.read_text())
    }
    assert {name for name in found if not name.startswith("services/database/")} == set()
