"""A pytest plugin: counts the attempts of tests marked `attack`, and checks after each whether the server is
alive.

At the end of a run it prints a table of the topics. With xdist the workers send their counts with the report of
each test, and the controller adds them up.
"""

import asyncio
from collections.abc import Coroutine, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast, runtime_checkable

import httpx
import pytest

from tests.support.waiting import PATIENCE_S

TOPICS = ("cross-site", "protocol", "cost", "abuse", "uploads", "access", "errors", "fuzzing")
PROPERTY = "attack"
QUERY = "{ me { id } }"


@runtime_checkable
class Server(Protocol):
    """A server that a test attacks. ``loop`` is its event loop; None: it runs in a process of its own."""

    url: str
    loop: asyncio.AbstractEventLoop | None


@dataclass
class Attack:
    """The attempts of one test so far, and the state of the attacked servers afterwards."""

    topic: str
    attempts: int = 0
    asked: int = 0
    alive: int = 0

    def add(self, attempts: int = 1) -> None:
        """Count attacks, for a test that makes several; a test that never calls this counts as one."""
        self.attempts += attempts

    async def see_alive(self, url: str) -> None:
        """Check whether the server is alive and answers a query from its database. Raises: ServerDown."""
        self.asked += 1
        try:
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, verify=False, trust_env=False) as http:
                health = await http.get("/healthz")
                # An unknown token makes the server ask its database.
                answer = await http.post("/graphql", json={"query": QUERY}, headers={"Authorization": "Bearer x"})
        except httpx.HTTPError as error:
            raise ServerDown(f"after the attack {url} does not answer: {error!r}") from error
        if health.status_code != 200 or not _is_answer(answer):
            raise ServerDown(f"after the attack {url} answers {health} to /healthz, and {answer}: {answer.text}")
        self.alive += 1


def _is_answer(response: httpx.Response) -> bool:
    if response.status_code >= 500:
        return False
    answer = response.json()
    # A server that runs only trusted documents refuses the query, and is alive.
    return answer.get("data") == {"me": None} or answer["errors"][0]["extensions"]["code"] != "INTERNAL"


class ServerDown(Exception):
    """A server does not answer correctly after an attack."""


_ATTACK = pytest.StashKey[Attack]()
# The attack of the running test, if it is one.
_under_way: list[Attack] = []


async def see_alive_if_attacked(url: str) -> None:
    """Helpers that start a server within a test call this before they stop it. Raises: ServerDown."""
    for attack in _under_way:
        await attack.see_alive(url)


@pytest.fixture
def attempts(request: pytest.FixtureRequest) -> Attack:
    """Count the attacks of a test that makes several."""
    return request.node.stash[_ATTACK]


@dataclass
class Tally:
    """The results of the attacks of one topic."""

    tests: int = 0
    tried: int = 0
    refused: int = 0
    asked: int = 0
    alive: int = 0


class Table:
    """Adds up the reports of the tests of a run."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one test; on the controller, and without xdist too."""
        for name, value in report.user_properties if report.when == "call" else ():
            if name == PROPERTY:
                attack = Attack(**cast("dict[str, Any]", value))
                tally = self._tallies.setdefault(attack.topic, Tally())
                tally.tests += 1
                tally.tried += attack.attempts
                tally.refused += attack.attempts if report.passed else 0
                tally.asked += attack.asked
                tally.alive += attack.alive

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table, if anything was attacked."""
        if self._tallies:
            terminalreporter.section("attacks")
            for line in table(self._tallies):
                terminalreporter.write_line(line)


def table(tallies: Mapping[str, Tally]) -> Iterator[str]:
    """The lines of the table: a row for each topic, and their sum."""
    yield f"{'':12}{'tests':>8}{'attacks tried':>16}{'refused as said':>18}{'server asked after':>21}{'alive':>8}"
    total = Tally()
    for topic in TOPICS:
        tally = tallies.get(topic, Tally())
        for key, value in vars(tally).items():
            setattr(total, key, getattr(total, key) + value)
        yield _row(topic, tally)
    yield _row("all", total)


def _row(name: str, tally: Tally) -> str:
    numbers = zip(vars(tally).values(), (8, 16, 18, 21, 8), strict=True)
    return f"{name:12}" + "".join(f"{value:>{width},}" for value, width in numbers)


def pytest_configure(config: pytest.Config) -> None:
    """Begin a table."""
    config.pluginmanager.register(Table(), "attacks-table")


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Refuse attack marks that the table does not have."""
    for item in items:
        for mark in item.iter_markers("attack"):
            if len(mark.args) != 1 or mark.args[0] not in TOPICS:
                raise pytest.UsageError(f"{item.nodeid}: attack takes one of {', '.join(TOPICS)}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin to count."""
    mark = item.get_closest_marker("attack")
    item.stash[_ATTACK] = Attack(mark.args[0] if mark is not None else "")


# The innermost, so that the server's log lines during the check are captured like the test's own.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run an attack, then check each running server that the test used; if one does not answer, the test fails."""
    attack = item.stash[_ATTACK]
    if not attack.topic:
        return (yield)
    _under_way[:] = [attack]
    try:
        result = yield
        for server in _servers(item):
            _run(server.loop, attack.see_alive(server.url))
    except pytest.skip.Exception:
        raise
    except BaseException:
        _note(item, attack)
        raise
    finally:
        _under_way.clear()
    _note(item, attack)
    return result


def _servers(item: pytest.Item) -> Iterable[Server]:
    given: dict[str, object] = getattr(item, "funcargs", {})
    return {value.url: value for value in given.values() if isinstance(value, Server)}.values()


def _run(loop: asyncio.AbstractEventLoop | None, asking: Coroutine[Any, Any, None]) -> None:
    """Run the check in the server's own event loop, which stands still between a test's functions."""
    if loop is None:
        asyncio.run(asking)
    else:
        loop.run_until_complete(asking)


def _note(item: pytest.Item, attack: Attack) -> None:
    attack.attempts = max(1, attack.attempts)
    item.user_properties.append((PROPERTY, asdict(attack)))
