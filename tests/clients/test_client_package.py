"""The package in clients/typescript fits this schema, passes its own tests, and follows a trip on a server."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from application.paths import ROOT
from tests.clients.network import Network
from tests.clients.script import running
from tests.conftest import LiveServer, SignUp
from tests.support.api import LOG_IN, PASSWORD
from tests.support.tools import build_once, npm_packages, run

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)

PACKAGE = ROOT / "clients" / "typescript"


@pytest.fixture(scope="session")
def packages() -> Path:
    """The package's folder, with the packages that build it."""
    npm_packages(PACKAGE)
    return PACKAGE


@pytest.fixture(scope="session")
def package(packages: Path) -> Path:
    """The package's folder, built once with its tests."""
    sources = [*PACKAGE.glob("*.json"), *PACKAGE.rglob("src/**/*.ts"), *PACKAGE.glob("tests/*.ts")]

    def build() -> None:
        shutil.rmtree(PACKAGE / "dist", ignore_errors=True)
        run("npm", "run", "build", folder=PACKAGE)

    build_once(PACKAGE / "dist", sources, build)
    return packages


def test_its_documents_and_types_are_those_of_the_schema(packages: Path, tmp_path: Path) -> None:
    """If this fails, run `npm run generate` in clients/typescript, and look at what changed for its users."""
    (tmp_path / "clients").mkdir()
    shutil.copy(ROOT / "schema.graphql", tmp_path)
    again = tmp_path / "clients" / "typescript"
    shutil.copytree(packages, again, ignore=shutil.ignore_patterns("node_modules", "dist", "generated", ".*"))
    (again / "node_modules").symlink_to(packages / "node_modules")

    run("npm", "run", "generate", folder=again)

    generated = Path("src", "generated", "operations.ts")
    assert (again / generated).read_text() == (packages / generated).read_text()


def test_its_own_tests_pass(package: Path) -> None:
    tests = sorted(str(path.relative_to(package)) for path in package.glob("dist/tests/*.test.js"))
    assert len(tests) == len([*package.glob("tests/*.test.ts")]) > 0
    run("node", "--test", *tests, folder=package)


def test_it_installs_nothing_and_packs_what_it_exports(package: Path) -> None:
    described = json.loads((package / "package.json").read_text())
    assert "dependencies" not in described
    assert set(described["peerDependencies"]) - set(described["peerDependenciesMeta"]) == {"graphql"}
    packed = subprocess.run(
        ["npm", "pack", "--dry-run", "--json", "--ignore-scripts"],
        cwd=package,
        capture_output=True,
        check=True,
    )
    (listed,) = json.loads(packed.stdout)
    files = {f"./{each['path']}" for each in listed["files"]}
    for exported in described["exports"].values():
        assert {exported, exported.replace(".js", ".d.ts")} <= files
    assert not [path for path in files if "/tests/" in path]


def test_the_code_of_its_readme_compiles(package: Path) -> None:
    (shown,) = re.findall(r"^```ts\n(.*?)^```$", (package / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert (package / "tests" / "readme.ts").read_text().partition("\n")[2] == shown


async def test_its_reducers_show_a_whole_trip_over_a_lost_connection(
    package: Path, live_server: LiveServer, person: SignUp
) -> None:
    async with (
        Network(live_server.url) as network,
        running("node", package / "dist" / "tests" / "trip.js", network.url, PASSWORD) as script,
    ):
        trip_id = (await script.first("rider", "underWay"))["id"]

        network.cut()
        await script.first("rider", "reconnecting")
        await script.first("driver", "reconnecting")
        elsewhere = await person()
        await elsewhere.data(LOG_IN, username="driver@example.com", password=PASSWORD)
        await elsewhere.update_trip(trip_id, "IN_PROGRESS")
        other_trip = await (await person("RIDER")).create_trip()
        network.restore()

        await script.finish()

    (car,) = script.all("rider", "car")
    assert (car["point"], car["heading"], car["isStale"]) == ({"lat": 52.37, "lng": 4.9}, 90, False)
    assert script.all("rider", "trips") == [{"trips": [{"id": trip_id, "status": "IN_PROGRESS", "version": 3}]}]
    assert script.all("driver", "offers") == [{"ids": [other_trip["id"]]}]
    # The rider's subscription of the car completes with the trip.
    assert script.all("rider", "complete") == [{}]
    for who, subscriptions in (("rider", 1), ("driver", 1)):
        assert script.all(who, "closed") == [{"code": 4401}] * subscriptions
        assert script.all(who, "ended") != []
    assert script.complaints == []
