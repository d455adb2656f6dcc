"""The pages are built once from the current sources, and no client waits for them. `npm` is a script here."""

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from structlog.testing import capture_logs

from gateway import web_build
from gateway.web_build import NPM_CI, BuildFailed, NoNode, WebBuild
from tests.support.waiting import until

NPM = """#!/bin/sh
echo "$*" >> "$CALLS"
if [ "$1" = ci ]; then mkdir -p node_modules; else rm -rf dist; mkdir dist; echo page > dist/index.html; fi
"""
BUILT = [" ".join(NPM_CI), "run build --silent"]


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A folder like `web/`."""
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "package-lock.json").write_text("{}")
    (folder / "src" / "main.ts").write_text("1")
    (tmp_path / "schema.graphql").write_text("type Query { a: Int }")
    client = tmp_path / "clients" / "typescript" / "src" / "generated"
    client.mkdir(parents=True)
    (client / "operations.ts").write_text("1")
    return folder


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs a script as `npm`, beside a new enough Node."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))

    def write(script: str, node: str = "#!/bin/sh\necho v24.1.0\n") -> None:
        for name, text in (("npm", script), ("node", node)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

    write(NPM)
    return write


def calls(web: Path) -> list[str]:
    """The calls of npm."""
    file = web.parent / "calls"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.usefixtures("npm")
def test_pages_are_built_once_and_again_when_a_source_has_changed(web: Path) -> None:
    build = WebBuild(web)
    build.make()
    build.make()
    WebBuild(web).make()
    assert calls(web) == BUILT
    assert (build.folder / "index.html").exists()

    operations = web.parent / "clients" / "typescript" / "src" / "generated" / "operations.ts"
    for source in (web / "src" / "main.ts", web.parent / "schema.graphql", operations):
        source.write_text("2")
        assert build.is_needed
        build.make()
        assert calls(web)[-1] == BUILT[1]
    assert calls(web).count(BUILT[0]) == 1

    (web / "package-lock.json").write_text('{"other": true}')
    build.make()
    assert calls(web)[-2:] == BUILT


@pytest.mark.usefixtures("npm")
def test_of_many_simultaneous_processes_one_builds_and_all_have_the_pages(web: Path) -> None:
    threads = [threading.Thread(target=WebBuild(web).make) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls(web) == BUILT


def test_npm_is_told_where_each_package_is_only_while_it_installs_them(
    web: Path, npm: Callable[[str], None]
) -> None:
    npm('#!/bin/sh\n[ "$1" = ci ] && mkdir node_modules && cp npm-shrinkwrap.json "$CALLS"\nmkdir -p dist\n')
    lock = {
        "": {"name": "web", "version": "1.0.0"},
        "node_modules/a": {"version": "1.2.3", "integrity": "sha512-x"},
        "node_modules/a/node_modules/@b/c": {"version": "2.0.0-rc.1", "integrity": "sha512-x"},
        "node_modules/d": {"name": "@e/f", "version": "3.0.0", "integrity": "sha512-x"},
        "node_modules/bundled": {"version": "4.0.0", "inBundle": True},
        "node_modules/folder": {"resolved": "folder", "link": True},
    }
    text = json.dumps({"lockfileVersion": 3, "packages": lock})
    (web / "package-lock.json").write_text(text)
    WebBuild(web).make()
    told = json.loads((web.parent / "calls").read_text())["packages"]
    assert {path: package.get("resolved") for path, package in told.items()} == {
        "": None,
        "node_modules/a": "https://registry.invalid/a/-/a-1.2.3.tgz",
        "node_modules/a/node_modules/@b/c": "https://registry.invalid/@b/c/-/c-2.0.0-rc.1.tgz",
        "node_modules/d": "https://registry.invalid/@e/f/-/f-3.0.0.tgz",
        "node_modules/bundled": None,
        "node_modules/folder": "folder",
    }
    assert not (web / "npm-shrinkwrap.json").exists()
    assert (web / "package-lock.json").read_text() == text


def test_packages_that_are_at_other_addresses_are_installed_too(web: Path, npm: Callable[[str], None]) -> None:
    npm(NPM.replace('if [ "$1"', '[ -e npm-shrinkwrap.json ] && exit 1\nif [ "$1"'))
    WebBuild(web).make()
    assert calls(web) == [BUILT[0], *BUILT]


def test_without_sources_nothing_is_built(tmp_path: Path) -> None:
    assert not WebBuild(tmp_path / "web").is_needed


def test_a_build_that_fails_is_logged_with_its_output_and_tried_again(
    web: Path, npm: Callable[[str], None]
) -> None:
    npm("#!/bin/sh\necho the reason\nexit 3\n")
    build = WebBuild(web)
    with pytest.raises(BuildFailed, match="the reason"):
        build.make()
    with capture_logs() as log, build.made_meanwhile():
        wait_for_threads()
    assert [line["log_level"] for line in log] == ["info", "error"]
    npm(NPM)
    WebBuild(web).make()
    assert calls(web) == BUILT


def test_without_node_the_log_says_how_to_get_it(
    web: Path, npm: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    npm(NPM, node="#!/bin/sh\necho v18.20.0\n")
    monkeypatch.setattr(web_build.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NoNode):
        WebBuild(web).make()
    with capture_logs() as log, WebBuild(web).made_meanwhile():
        wait_for_threads()
    assert [line["log_level"] for line in log] == ["warning"]
    assert "uv run --group pages server.py" in log[0]["event"]


def test_the_wheels_node_replaces_a_node_that_is_too_old(npm: Callable[..., None]) -> None:
    system = os.environ["PATH"].split(os.pathsep)[0]
    assert web_build.node_environment()["PATH"].startswith(system)
    npm(NPM, node="#!/bin/sh\necho v18.20.0\n")
    environment = web_build.node_environment()
    for program, oldest in (("node", 24), ("npm", 11)):
        shown = subprocess.run([program, "--version"], env=environment, capture_output=True, text=True, check=True)
        assert int(shown.stdout.removeprefix("v").partition(".")[0]) >= oldest


@pytest.mark.parametrize("beside_a_server", [True, False])
def test_a_build_beside_a_server_leaves_it_the_processor(
    web: Path, npm: Callable[[str], None], beside_a_server: bool
) -> None:
    # Its niceness and its session: niceness counts only within a session.
    npm('#!/bin/sh\nmkdir -p node_modules dist\necho "$(nice) $(cut -d " " -f 6 /proc/self/stat)" >> "$CALLS"\n')
    build = WebBuild(web)
    if beside_a_server:
        with build.made_meanwhile():
            wait_for_threads()
    else:
        build.make()
    niceness = 19 if beside_a_server else os.nice(0)
    assert calls(web) == [f"{niceness} {os.getsid(0)}"] * 2


async def test_a_server_that_stops_ends_the_build_and_its_processes(web: Path, npm: Callable[[str], None]) -> None:
    npm('#!/bin/sh\nsleep 600 &\necho "$$ $!" > "$CALLS"\nwait\n')
    with capture_logs() as log:
        with WebBuild(web).made_meanwhile():
            await until(lambda: calls(web) != [])
        pids = [int(pid) for pid in calls(web)[0].split()]
        await until(lambda: not any(map(is_running, pids)))
    assert [line["log_level"] for line in log] == ["info"]


async def test_an_interrupted_build_leaves_no_process_that_goes_on_writing(
    web: Path, npm: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    npm('#!/bin/sh\nsleep 600 > /dev/null &\necho "$$ $!"\nwait\n')
    printed: list[str] = []

    communicate = subprocess.Popen.communicate

    def interrupted(process: subprocess.Popen[str], *arguments: Any, **options: Any) -> Any:
        if process.args != ["npm", *NPM_CI]:
            return communicate(process, *arguments, **options)
        assert process.stdout is not None
        printed.append(process.stdout.readline())
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        WebBuild(web).make()
    shell, child = (int(pid) for pid in printed[0].split())
    assert not is_running(shell)
    await until(lambda: not is_running(child))


@pytest.mark.usefixtures("npm")
def test_a_server_that_stops_does_not_wait_for_another_servers_build(web: Path) -> None:
    with FileLock(web / ".build.lock"), capture_logs() as log, WebBuild(web).made_meanwhile():
        pass
    assert log == []
    assert calls(web) == []


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_threads() -> None:
    """Return when threads that were started in the meantime have ended."""
    for thread in threading.enumerate():
        if thread.name == "web-build":
            thread.join()
