"""`requirements.txt` pins the packages of the image: versions and hashes of the lock, and no addresses."""

import re
import shutil
import subprocess

from application.paths import ROOT
from tests.support.tools import missing

HOW = "uv export --frozen --no-emit-project --no-annotate --no-header --group tracing"


def test_an_image_installs_what_the_lock_says() -> None:
    uv = shutil.which("uv")
    if uv is None:
        missing("uv", "pip install uv")
    done = subprocess.run([uv, *HOW.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (ROOT / "requirements.txt").read_text() == done.stdout, f"stale: run `{HOW} -o requirements.txt`"


def test_each_package_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.txt").read_text()
    packages = text.replace("\\\n", "").splitlines()
    assert len(packages) > 40
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert re.findall(r"\w+://\S+", text) == []
