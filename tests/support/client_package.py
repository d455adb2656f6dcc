"""The package `@taxirank/client` as its users get it, and the example apps that are built with it."""

import shutil
import tarfile
from pathlib import Path

from application.paths import ROOT
from tests.support import tools
from tests.support.tools import build_once, run

PACKAGE = ROOT / "clients" / "typescript"
EXAMPLES = ROOT / "examples"
APPS = ("apollo", "urql")


def build() -> Path:
    """The package's folder, built once with its tests."""
    tools.npm_packages(PACKAGE)
    sources = [*PACKAGE.glob("*.json"), *PACKAGE.glob("src/**/*.ts"), *PACKAGE.glob("tests/*.ts")]

    def compile_all() -> None:
        shutil.rmtree(PACKAGE / "dist", ignore_errors=True)
        run("npm", "run", "build", folder=PACKAGE)

    build_once(PACKAGE / "dist", sources, compile_all)
    return PACKAGE


def pack() -> Path:
    """The file that `npm pack` makes."""
    outcome = PACKAGE / "packed"
    package = build()
    sources = [PACKAGE / "package.json", PACKAGE / "README.md", *PACKAGE.glob("src/**/*")]

    def pack_and_unpack() -> None:
        shutil.rmtree(outcome, ignore_errors=True)
        outcome.mkdir()
        run("npm", "pack", "--ignore-scripts", "--pack-destination", str(outcome), folder=package)
        (file,) = outcome.glob("*.tgz")
        with tarfile.open(file) as archive:
            archive.extractall(outcome, filter="data")

    build_once(outcome, sources, pack_and_unpack)
    (file,) = outcome.glob("*.tgz")
    return file


def unpacked() -> Path:
    """The folder with what is in that file."""
    return pack().parent / "package"


def install(packed: Path, node_modules: Path) -> None:
    """Put the packed client package into a `node_modules`, where it finds the packages beside it."""
    target = node_modules / "@taxirank" / "client"
    target.parent.mkdir(exist_ok=True)

    def copy() -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(packed, target)

    build_once(target, [*packed.rglob("*")], copy)


def build_examples() -> Path:
    """The folder of the example apps, type-checked and each built into its `dist`."""
    packed = unpacked()
    node_modules = tools.npm_packages(EXAMPLES)
    install(packed, node_modules)
    sources = [*EXAMPLES.glob("*.json"), *EXAMPLES.glob("*.ts"), *EXAMPLES.glob("common/*"), *packed.rglob("*")]
    sources += [path for app in APPS for path in (*(EXAMPLES / app).glob("*.*"), *(EXAMPLES / app).glob("src/*"))]
    build_once(EXAMPLES / APPS[-1] / "dist", sources, lambda: run("npm", "run", "build", folder=EXAMPLES))
    return EXAMPLES
