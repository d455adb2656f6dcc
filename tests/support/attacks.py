"""A plugin of pytest: counts what tests marked `attack` try, and asks the server after each whether it lives.

At the end of a run it prints a table of the topics. With xdist the workers send what they have counted along with
the report of each test, and the controller adds it up.
"""

import asyncio
from collections.abc import Coroutine, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast, runtime_checkable

import httpx
import pytest

TOPICS = ("cross-site", "protocol", "cost", "abuse", "uploads", "access", "errors", "fuzzing")
PROPERTY = "attack"
ANSWER_WITHIN_S = 10.0
QUERY = "{ me { id } }"


@runtime_checkable
class Server(Protocol):
    """A server that a test attacks. ``loop`` is the event loop that it runs in; None: in a process of its own."""

    url: str
    loop: asyncio.AbstractEventLoop | None


@dataclass
class Attack:
    """What one test has tried so far, and what became of the servers that it tried it on."""

    topic: str
    attempts: int = 0
    asked: int = 0
    alive: int = 0

    def add(self, attempts: int = 1) -> None:
        """Count attacks, for a test that makes several; one that never does counts as one."""
        self.attempts += attempts

    async def see_alive(self, url: str) -> None:
        """Ask the server whether it lives, and for an answer out of its database. Raises: ServerDown."""
        self.asked += 1
        try:
            async with httpx.AsyncClient(base_url=url, timeout=ANSWER_WITHIN_S, verify=False) as http:
                health = await http.get("/healthz")
                # A token that nobody has makes the server ask its database.
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
    # A server that runs nothing but documents that it trusts says so, and is no less alive.
    return answer.get("data") == {"me": None} or answer["errors"][0]["extensions"]["code"] != "INTERNAL"


class ServerDown(Exception):
    """A server does not answer as it should after an attack."""


_ATTACK = pytest.StashKey[Attack]()
# The attack whose test is running, if it is one.
_under_way: list[Attack] = []


async def see_alive_if_attacked(url: str) -> None:
    """What whoever starts a server within a test asks before stopping it. Raises: ServerDown."""
    for attack in _under_way:
        await attack.see_alive(url)


@pytest.fixture
def attempts(request: pytest.FixtureRequest) -> Attack:
    """Counters the attacks of a test that makes several."""
    return request.node.stash[_ATTACK]


@dataclass
class Tally:
    """What came of the attacks of one topic."""

    tests: int = 0
    tried: int = 0
    refused: int = 0
    asked: int = 0
    alive: int = 0


class Table:
    """Adds up what the tests of a run report."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one test; on the controller as well as without xdist."""
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
    """Lines: a row a topic, and their sum."""
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
    """Refuse marks that would be missing in the table."""
    for item in items:
        for mark in item.iter_markers("attack"):
            if len(mark.args) != 1 or mark.args[0] not in TOPICS:
                raise pytest.UsageError(f"{item.nodeid}: attack takes one of {', '.join(TOPICS)}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin to count."""
    mark = item.get_closest_marker("attack")
    item.stash[_ATTACK] = Attack(mark.args[0] if mark is not None else "")


# The innermost, so that what the server logs when asked is captured like the test's own.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run an attack, then ask each running server that it was given; one that does not answer fails it."""
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
    """Ask in the server's own event loop, which stands still between a test's functions."""
    if loop is None:
        asyncio.run(asking)
    else:
        loop.run_until_complete(asking)


def _note(item: pytest.Item, attack: Attack) -> None:
    attack.attempts = max(1, attack.attempts)
    item.user_properties.append((PROPERTY, asdict(attack)))
