"""The files that GraphiQL's hosted page loads from a CDN, out of their npm packages."""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from strawberry.http.ides import get_graphql_ide_html

from tests.support.tools import missing

CDN = "unpkg.com"


def files_of_the_hosted_page(folder: Path) -> dict[str, bytes]:
    """Each URL's contents. That they are those that the page expects, its hashes say (subresource integrity)."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm", "install Node 20 or newer (https://nodejs.org)")
    html = get_graphql_ide_html(graphql_ide="graphiql")
    urls: list[str] = re.findall(rf'"(https://{CDN}/[^"]+)"', html)
    packages: dict[str, list[str]] = {}
    for url in urls:
        package, path = _package_and_path(url)
        packages.setdefault(package, []).append(path)
    done = subprocess.run(
        [npm, "pack", "--silent", "--pack-destination", str(folder), *packages], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.fail(f"npm pack failed:\n{done.stdout}{done.stderr}", pytrace=False)
    archives = [folder / name for name in done.stdout.split()]
    files: dict[str, bytes] = {}
    for package, archive in zip(packages, archives, strict=True):
        with tarfile.open(archive) as tar:
            for path in packages[package]:
                member = tar.extractfile(f"package/{path}")
                assert member is not None
                files[f"https://{CDN}/{package}/{path}"] = member.read()
    return files


def _package_and_path(url: str) -> tuple[str, str]:
    """``/@scope/name@1.2.3/dist/x.js`` is ``@scope/name@1.2.3`` and ``dist/x.js``."""
    match = re.fullmatch(r"/((?:@[^/]+/)?[^/]+)/(.+)", urlsplit(url).path)
    assert match is not None
    return match[1], match[2]
