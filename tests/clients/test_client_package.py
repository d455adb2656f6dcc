"""The package in clients/typescript fits this schema, passes its own tests, and follows a trip on a server."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    parse,
    print_ast,
    visit,
)

from application.paths import ROOT
from tests.clients.network import Network, happens_unseen
from tests.clients.script import running
from tests.conftest import LiveServer, SignUp
from tests.support import tools
from tests.support.api import PASSWORD
from tests.support.client_package import PACKAGE
from tests.support.tools import run

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)


def test_its_documents_and_types_are_those_of_the_schema(packages: Path, tmp_path: Path) -> None:
    """If this fails, run `npm run generate` in clients/typescript, and look at what changed for its users."""
    (tmp_path / "clients").mkdir()
    shutil.copy(ROOT / "schema.graphql", tmp_path)
    again = tmp_path / "clients" / "typescript"
    shutil.copytree(packages, again, ignore=shutil.ignore_patterns("node_modules", "dist", "generated", ".*"))
    (again / "node_modules").symlink_to(packages / "node_modules")

    run("npm", "run", "generate", folder=again)

    for name in ("operations.ts", "types.ts", "introspection.ts"):
        generated = Path("src", "generated", name)
        assert (again / generated).read_text() == (packages / generated).read_text()


def test_its_documents_ask_for_the_id_of_everything_that_has_one() -> None:
    """Without it a cache by id loses the object, or keeps it twice."""
    schema = build_schema((ROOT / "schema.graphql").read_text())
    without: list[str] = []

    class Ids(Visitor):
        def __init__(self, types: TypeInfo) -> None:
            super().__init__()
            self._types = types

        def enter_selection_set(self, node: SelectionSetNode, *_: Any) -> None:
            parent = self._types.get_parent_type()
            if isinstance(parent, GraphQLObjectType) and "id" in parent.fields and "id" not in selected(node):
                without.append(print_ast(node))

    documents = parse("".join(path.read_text() for path in sorted(PACKAGE.glob("src/operations/*.graphql"))))
    fragments = {
        node.name.value: node.selection_set
        for node in documents.definitions
        if isinstance(node, FragmentDefinitionNode)
    }

    def selected(selections: SelectionSetNode) -> set[str]:
        found: set[str] = set()
        for each in selections.selections:
            if isinstance(each, FragmentSpreadNode):
                found |= selected(fragments[each.name.value])
            elif isinstance(each, FieldNode):
                found.add(each.name.value)
        return found

    types = TypeInfo(schema)
    visit(documents, TypeInfoVisitor(types, Ids(types)))
    assert len(fragments) > 5
    assert without == []


def test_its_own_tests_pass(package: Path) -> None:
    tests = sorted(str(path.relative_to(package)) for path in package.glob("dist/tests/*.test.js"))
    assert len(tests) == len([*package.glob("tests/*.test.ts")]) > 0
    run("node", "--test", *tests, folder=package)


@pytest.mark.parametrize("end", ["lowest", "newest"])
def test_it_compiles_and_passes_its_tests_at_both_ends_of_what_it_can_be_used_with(
    end: str, packages: Path, tmp_path: Path
) -> None:
    """The versions are in `peers/`: npm refuses to install a project whose versions a package does not take."""
    versions = Path(__file__).parent / "peers" / end
    shutil.copytree(
        packages, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist", ".*")
    )
    (tmp_path / "node_modules").symlink_to(tools.npm_packages(versions))
    run("npm", "run", "build", folder=tmp_path)
    tests = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("dist/tests/*.test.js"))
    assert len(tests) == len([*packages.glob("tests/*.test.ts")])
    run("node", "--test", *tests, folder=tmp_path)


def test_both_ends_are_those_that_the_package_names() -> None:
    ranges = json.loads((PACKAGE / "package.json").read_text())["peerDependencies"]
    lowest, newest = (
        json.loads((Path(__file__).parent / "peers" / end / "package.json").read_text())["devDependencies"]
        for end in ("lowest", "newest")
    )
    assert {name: wanted.split(" || ")[0] for name, wanted in ranges.items()} == {
        name: f"^{lowest[name]}" for name in ranges
    }
    major = re.compile(r"\^(\d+)\.")
    assert {name: major.findall(wanted)[-1] for name, wanted in ranges.items()} == {
        name: major.findall(newest[name])[0] for name in ranges
    }


def test_the_lock_of_the_examples_knows_the_same_ranges() -> None:
    """npm does not renew those of a package in a folder."""
    locked = json.loads((ROOT / "examples" / "package-lock.json").read_text())["packages"][
        "node_modules/@taxirank/client"
    ]
    assert locked["peerDependencies"] == json.loads((PACKAGE / "package.json").read_text())["peerDependencies"]


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
    assert len(described["exports"]) == 6
    for exported in described["exports"].values():
        assert {exported, exported.replace(".js", ".d.ts")} <= files
    assert not [path for path in files if "/tests/" in path]
    # A debugger and an editor go to the source, which is in the file.
    for built in (path for path in files if path.endswith((".js", ".d.ts"))):
        described = json.loads((package / f"{built}.map").read_text())
        assert {f"{built}.map", *(sources_of(built, described))} <= files


def sources_of(built: str, source_map: dict[str, Any]) -> set[str]:
    """The files that a source map names."""
    return {f"./{os.path.normpath(Path(built).parent / source)}" for source in source_map["sources"]}


@pytest.mark.parametrize(
    ("entry", "libraries"),
    [
        ("index", {"graphql"}),
        ("apollo", {"graphql", "@apollo/client"}),
        ("graphcache", {"@urql/core", "@urql/exchange-graphcache"}),
        ("graphql-ws", {"graphql", "graphql-ws"}),
        ("react", {"graphql", "react"}),
        ("urql", {"graphql", "@urql/core"}),
    ],
)
def test_a_part_needs_no_library_but_its_own(entry: str, libraries: set[str], package: Path) -> None:
    """Neither when it runs nor for its types: without the others an app would not compile."""
    assert libraries_of(package / "dist" / "src" / f"{entry}.d.ts") == libraries
    assert libraries_of(package / "dist" / "src" / f"{entry}.js") <= libraries - {"graphql"}


def libraries_of(file: Path) -> set[str]:
    """The packages that a file imports, or a file that it imports does."""
    found, seen, open_files = set[str](), set[Path](), [file]
    while open_files:
        path = open_files.pop().resolve()
        if path in seen:
            continue
        seen.add(path)
        # A file of types imports another one by the name of its code.
        at = path.with_name(path.name.replace(".js", ".d.ts")) if file.name.endswith(".d.ts") else path
        for name in re.findall(r"""(?:from|import\(|^import) ?["']([^"']+)["']""", at.read_text(), re.MULTILINE):
            if name.startswith("."):
                open_files.append(path.parent / name)
            else:
                found.add("/".join(name.split("/")[: 2 if name.startswith("@") else 1]))
    return found


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
        other_trip_id = await happens_unseen(person, trip_id)
        network.restore()

        await script.finish()

    (car,) = script.all("rider", "car")
    assert (car["point"], car["heading"], car["isStale"]) == ({"lat": 52.37, "lng": 4.9}, 90, False)
    assert script.all("rider", "trips") == [{"trips": [{"id": trip_id, "status": "IN_PROGRESS", "version": 3}]}]
    assert script.all("driver", "offers") == [{"ids": [other_trip_id]}]
    # The rider's subscription of the car completes with the trip.
    assert script.all("rider", "complete") == [{}]
    for who, subscriptions in (("rider", 1), ("driver", 1)):
        assert script.all(who, "closed") == [{"code": 4401}] * subscriptions
        assert script.all(who, "ended") != []
    assert script.complaints == []
