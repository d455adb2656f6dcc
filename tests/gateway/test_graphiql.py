import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.graphiql import GraphiQL
from gateway.map_sources import MapSources

SCRIPT = "console.log('GraphiQL')"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder as Vite writes it."""
    folder = tmp_path / "dist"
    (folder / "graphiql").mkdir(parents=True)
    (folder / "graphiql" / "index.html").write_text("<title>Taxirank · GraphiQL</title>", encoding="utf-8")
    (folder / "assets" / "nested").mkdir(parents=True)
    (folder / "assets" / "main-Bq3x9.js").write_text(SCRIPT)
    (folder / "assets" / "main-C7aa1.css").write_text("body { margin: 0 }")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def client_of() -> Callable[[Path], httpx.AsyncClient]:
    def client(build: Path) -> httpx.AsyncClient:
        graphiql = GraphiQL(build, maps=MapSources())

        async def page(_: Request) -> Response:
            return graphiql.page()

        app = Starlette(routes=[Route("/graphql", page), *graphiql.routes()])
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://taxirank.test", verify=False)

    return client


def directives(response: httpx.Response) -> dict[str, list[str]]:
    policy = response.headers["content-security-policy"]
    return {name: sources.split() for name, _, sources in (part.partition(" ") for part in policy.split("; "))}


async def test_the_page_of_the_build_may_load_from_its_own_host_only(build, client_of):
    response = await client_of(build).get("/graphql")

    assert response.text == "<title>Taxirank · GraphiQL</title>"
    policy = directives(response)
    assert {source for sources in policy.values() for source in sources} == {
        "'none'",
        "'self'",
        "'unsafe-inline'",
        "data:",
    }
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["script-src"] == policy["worker-src"] == policy["connect-src"] == ["'self'"]


async def test_without_a_build_the_page_runs_no_script_and_loads_nothing(tmp_path, client_of):
    response = await client_of(tmp_path / "dist").get("/graphql")

    policy = directives(response)
    assert policy.keys() == {"default-src", "style-src", "base-uri", "form-action", "frame-ancestors"}
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, flags=re.DOTALL)
    assert policy["style-src"] == [f"'sha256-{sha256(style)}'"]
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    # It reloads itself.
    assert '<meta http-equiv="refresh"' in response.text


@pytest.mark.parametrize("built", [True, False])
async def test_both_pages_have_the_same_protection(built, build, tmp_path, client_of):
    response = await client_of(build if built else tmp_path / "nothing").get("/graphql")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "same-origin"
    # The path also answers API clients, and the page names the files of the newest build.
    assert response.headers["vary"] == "Accept"
    assert response.headers["cache-control"] == "no-cache"


async def test_a_build_that_is_made_later_is_served_immediately(tmp_path, client_of):
    client = client_of(tmp_path)
    assert "are not built yet" in (await client.get("/graphql")).text
    assert (await client.get("/assets/late-1.js")).status_code == 404

    for folder, name in (("graphiql", "index.html"), ("assets", "late-1.js")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("built")

    assert (await client.get("/graphql")).text == "built"
    assert (await client.get("/assets/late-1.js")).text == "built"


@pytest.mark.parametrize(("name", "media_type"), [("main-Bq3x9.js", "javascript"), ("main-C7aa1.css", "text/css")])
async def test_assets_are_kept_by_browsers_for_ever(name, media_type, build, client_of):
    client = client_of(build)

    response = await client.get(f"/assets/{name}")

    assert response.content == (build / "assets" / name).read_bytes()
    assert media_type in response.headers["content-type"]
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    # A worker of the page runs under this policy.
    assert directives(response) == directives(await client.get("/graphql"))
    again = await client.get(f"/assets/{name}", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/nested",
        "/assets/main-old.js",
        "/assets/%2e%2e/graphiql/index.html",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/nested/..%2f..%2f..%2fsecret.txt",
        "/assets/%2fetc%2fpasswd",
        "/assets//etc/passwd",
        "/assets/..%5c..%5csecret.txt",
        "/assets/main-Bq3x9.js%00",
        "/assets/" + "a" * 5000,
    ],
)
async def test_a_path_that_is_not_a_file_of_the_build_is_not_found(path, build, client_of):
    response = await client_of(build).get(path)

    assert response.status_code == 404
    assert "cache-control" not in response.headers


async def test_a_link_that_leads_out_of_the_build_is_not_followed(build, client_of):
    (build / "assets" / "link-1.txt").symlink_to(build.parent / "secret.txt")

    assert (await client_of(build).get("/assets/link-1.txt")).status_code == 404


async def test_assets_answer_only_get_and_head(build, client_of):
    client = client_of(build)

    assert (await client.head("/assets/main-Bq3x9.js")).status_code == 200
    assert (await client.post("/assets/main-Bq3x9.js")).status_code == 405


def sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
