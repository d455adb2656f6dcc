from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from gateway.media import media_route
from services.photos.media_url import open_store
from services.photos.store import PhotoStore

NAME = "0123456789abcdef" * 2 + ".webp"
UNKNOWN = "fedcba9876543210" * 2 + ".webp"
PHOTO = b"RIFF....WEBP a photo"


@pytest.fixture
def store(tmp_path: Path) -> PhotoStore:
    return open_store(str(tmp_path / "media"))


@pytest.fixture
def client(store: PhotoStore) -> httpx.AsyncClient:
    app = Starlette(routes=[media_route("/media", store)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://taxirank.test", verify=False)


async def test_a_photo_is_served_inert_and_for_ever(store: PhotoStore, client: httpx.AsyncClient) -> None:
    await store.put(NAME, PHOTO)

    response = await client.get(f"/media/{NAME}")

    assert response.status_code == 200
    assert response.content == PHOTO
    assert response.headers["Content-Type"] == "image/webp"
    assert response.headers["Content-Length"] == str(len(PHOTO))
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_head_returns_the_same_headers_without_the_photo(
    store: PhotoStore, client: httpx.AsyncClient
) -> None:
    await store.put(NAME, PHOTO)

    got, head = await client.get(f"/media/{NAME}"), await client.head(f"/media/{NAME}")

    assert head.status_code == 200
    assert head.headers == got.headers
    assert head.content == b""


@pytest.mark.parametrize(
    "path",
    [
        UNKNOWN,
        "",
        "keep.txt",
        NAME.upper(),
        f"{NAME}/x",
        f"../{NAME}",
        f"%2e%2e%2f{NAME}",
        "%2e%2e/%2e%2e/etc/passwd",
        f"{NAME}%00",
        f"{NAME}%0a",
        "%ff",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_anything_else_is_not_found(
    store: PhotoStore, client: httpx.AsyncClient, tmp_path: Path, method: str, path: str
) -> None:
    await store.put(NAME, PHOTO)
    (tmp_path / NAME).write_bytes(b"outside")
    (tmp_path / "media" / "keep.txt").write_bytes(b"inside")

    response = await client.request(method, f"/media/{path}")

    assert response.status_code == 404
    assert "Cache-Control" not in response.headers


async def test_a_removed_photo_is_not_found(store: PhotoStore, client: httpx.AsyncClient) -> None:
    await store.put(NAME, PHOTO)
    await store.delete(NAME)

    assert (await client.get(f"/media/{NAME}")).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_photos_cannot_be_changed_here(client: httpx.AsyncClient, method: str) -> None:
    assert (await client.request(method, f"/media/{NAME}")).status_code == 405


@pytest.mark.parametrize("known", ["{}", "W/{}", '"else", {}', "*"])
async def test_a_client_that_has_the_photo_is_not_sent_it_again(
    store: PhotoStore, client: httpx.AsyncClient, known: str
) -> None:
    await store.put(NAME, PHOTO)
    etag = (await client.get(f"/media/{NAME}")).headers["ETag"]

    response = await client.get(f"/media/{NAME}", headers={"If-None-Match": known.format(etag)})

    assert response.status_code == 304
    assert response.content == b""
    assert response.headers["ETag"] == etag
    assert "Content-Type" not in response.headers


async def test_a_client_that_has_another_photo_is_sent_this_one(
    store: PhotoStore, client: httpx.AsyncClient
) -> None:
    await store.put(NAME, PHOTO)

    response = await client.get(f"/media/{NAME}", headers={"If-None-Match": f'"{UNKNOWN}"'})

    assert response.content == PHOTO


async def test_a_removed_photo_is_not_found_even_by_a_client_that_has_it(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/media/{NAME}", headers={"If-None-Match": f'"{NAME}"'})

    assert response.status_code == 404


async def test_a_failing_store_is_not_reported_as_a_missing_photo() -> None:
    store = open_store(
        "s3://photos",
        {
            "endpoint": "http://127.0.0.1:1",
            "allow_http": "true",
            "access_key_id": "id",
            "secret_access_key": "secret",
        },
    )
    app = Starlette(routes=[media_route("/media", store)])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async with httpx.AsyncClient(transport=transport, base_url="http://taxirank.test", verify=False) as client:
        assert (await client.get(f"/media/{NAME}")).status_code == 503
