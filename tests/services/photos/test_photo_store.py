import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

import pytest

from application.application import open_photo_store
from application.settings import Settings
from services.photos.media_url import open_store
from services.photos.store import PhotoStore, StoreUnreachable

NAME = "0123456789abcdef" * 2 + ".webp"
OTHER = "fedcba9876543210" * 2 + ".webp"
KEYS = {"access_key_id": "key-id", "secret_access_key": "secret", "region": "eu-north-1"}
BUCKET = "photos"

NO_NAMES = [
    "",
    ".",
    "..",
    "keep.txt",
    "../" + NAME,
    "a/" + NAME,
    "/" + NAME,
    "..%2f" + NAME,
    NAME + "\n",
    NAME + "\0",
    NAME[1:],
    "0" + NAME,
    NAME.upper(),
    "٠" + NAME[1:],
    NAME.removesuffix(".webp"),
    NAME.replace(".webp", ".html"),
]


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    # Every process of a run imports this file, but only one needs moto.
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client_of(endpoint).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": KEYS["region"]}
    )
    yield endpoint
    server.stop()


def client_of(endpoint: str):
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEYS["access_key_id"],
        aws_secret_access_key=KEYS["secret_access_key"],
        region_name=KEYS["region"],
    )


def bucket_store(endpoint: str, prefix: str) -> PhotoStore:
    return open_store(f"s3://{BUCKET}/{prefix}", {**KEYS, "endpoint": endpoint, "allow_http": "true"})


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PhotoStore:
    if request.param == "folder":
        return open_store(str(tmp_path / "media"))
    return bucket_store(request.getfixturevalue("s3_endpoint"), token_hex(8))


@asynccontextmanager
async def recorded_requests(status: str = "200 OK") -> AsyncIterator[tuple[str, list[str]]]:
    """An endpoint that gives the same answer to everything, and the heads of the requests."""
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f'HTTP/1.1 {status}\r\nETag: "1"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'.encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}", heads


async def closed_port() -> str:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()
    return f"http://{host}:{port}"


async def test_checking_a_usable_store_leaves_it_unchanged(store: PhotoStore) -> None:
    await store.check()


async def test_a_missing_bucket_is_refused_with_the_remedy(s3_endpoint: str) -> None:
    store = open_store("s3://nowhere", {**KEYS, "endpoint": s3_endpoint, "allow_http": "true"})
    with pytest.raises(ValueError, match="bucket does not exist: create it"):
        await store.check()


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_keys_without_write_permission_are_refused_with_the_remedy(status: str) -> None:
    async with recorded_requests(status) as (endpoint, _):
        with pytest.raises(ValueError, match="cannot be written: give"):
            await bucket_store(endpoint, "x").check()


async def test_a_bucket_that_does_not_answer_is_an_outage_and_not_a_wrong_setting() -> None:
    with pytest.raises(StoreUnreachable):
        await bucket_store(await closed_port(), "x").check()


async def test_a_stored_photo_is_returned_unchanged(store: PhotoStore) -> None:
    await store.put(NAME, b"one\x00\xff")
    await store.put(OTHER, b"two")

    assert await store.get(NAME) == b"one\x00\xff"
    assert await store.get(OTHER) == b"two"


async def test_an_unknown_name_has_no_photo(store: PhotoStore) -> None:
    assert await store.get(NAME) is None


async def test_a_second_put_replaces_the_first(store: PhotoStore) -> None:
    await store.put(NAME, b"one")
    await store.put(NAME, b"two")

    assert await store.get(NAME) == b"two"


async def test_a_deleted_photo_is_gone_and_can_be_deleted_again(store: PhotoStore) -> None:
    await store.put(NAME, b"one")
    await store.put(OTHER, b"two")

    await store.delete(NAME)
    await store.delete(NAME)

    assert await store.get(NAME) is None
    assert await store.get(OTHER) == b"two"


async def test_an_invalid_photo_name_never_reaches_the_store(store: PhotoStore) -> None:
    for name in NO_NAMES:
        with pytest.raises(ValueError, match="not a photo name"):
            await store.put(name, b"data")
        assert await store.get(name) is None
        await store.delete(name)


def test_other_files_can_be_neither_read_nor_deleted_nor_written(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "media"))
    inside, outside = tmp_path / "media" / "keep.txt", tmp_path / NAME
    inside.write_text("inside")
    outside.write_text("outside")

    async def attack(name: str) -> None:
        assert await store.get(name) is None
        await store.delete(name)
        with pytest.raises(ValueError, match="not a photo name"):
            await store.put(name, b"overwritten")

    asyncio.run(attack("keep.txt"))
    asyncio.run(attack(f"../{NAME}"))

    assert inside.read_text() == "inside"
    assert outside.read_text() == "outside"


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_is_created_with_its_parents_and_outlives_the_store(tmp_path: Path, scheme: str) -> None:
    folder = tmp_path / "a folder" / "media"
    url = scheme + (quote(str(folder)) if scheme else str(folder))

    asyncio.run(open_store(url).put(NAME, b"one"))

    assert folder.joinpath(NAME).read_bytes() == b"one"
    assert asyncio.run(open_store(url).get(NAME)) == b"one"


def test_a_relative_folder_is_one_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    asyncio.run(open_store("var/media").put(NAME, b"one"))

    assert (tmp_path / "var" / "media" / NAME).read_bytes() == b"one"


async def test_two_prefixes_of_a_bucket_do_not_share_photos(s3_endpoint: str) -> None:
    one, other = (bucket_store(s3_endpoint, token_hex(8)) for _ in range(2))

    await one.put(NAME, b"one")

    assert await other.get(NAME) is None


async def test_an_object_carries_its_type_and_may_be_cached_for_ever(s3_endpoint: str) -> None:
    prefix = token_hex(8)
    settings = Settings(
        media_url=f"s3://{BUCKET}/{prefix}", media_options={**KEYS, "endpoint": s3_endpoint, "allow_http": "true"}
    )

    await open_photo_store(settings).put(NAME, b"one")

    head = await asyncio.to_thread(client_of(s3_endpoint).head_object, Bucket=BUCKET, Key=f"{prefix}/{NAME}")
    assert head["ContentType"] == "image/webp"
    assert head["CacheControl"] == "public, max-age=31536000, immutable"


async def test_a_photo_is_deleted_by_the_request_that_every_object_store_knows() -> None:
    async with recorded_requests("204 No Content") as (endpoint, heads):
        await bucket_store(endpoint, "prefix").delete(NAME)

    (head,) = heads
    assert head.startswith(f"DELETE /{BUCKET}/prefix/{NAME} ")


async def test_a_bucket_that_cannot_be_reached_raises() -> None:
    store = bucket_store(await closed_port(), "prefix")

    for use in (store.put(NAME, b"one"), store.get(NAME), store.delete(NAME)):
        with pytest.raises(StoreUnreachable):
            await use


async def test_a_bucket_that_fails_is_asked_three_times_and_no_more() -> None:
    async with recorded_requests("503 Service Unavailable") as (endpoint, heads):
        with pytest.raises(StoreUnreachable):
            await bucket_store(endpoint, "prefix").get(NAME)

    assert len(heads) == 3


async def test_options_take_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_BUCKET": "ambient",
        "AWS_REGION": "ambient",
        "AWS_DEFAULT_REGION": "ambient",
        "AWS_ACCESS_KEY_ID": "ambient",
        "AWS_SECRET_ACCESS_KEY": "ambient",
        "AWS_SESSION_TOKEN": "ambient",
        "AWS_SKIP_SIGNATURE": "true",
    }.items():
        monkeypatch.setenv(variable, value)

    async with recorded_requests() as (endpoint, heads):
        await bucket_store(endpoint, "prefix").put(NAME, b"one")

    (head,) = heads
    assert head.startswith(f"PUT /{BUCKET}/prefix/{NAME} ")
    assert "Credential=key-id/" in head
    assert "/eu-north-1/s3/" in head
    assert "ambient" not in head
    assert "x-amz-security-token" not in head.lower()


async def test_options_in_the_query_are_overridden_by_the_separate_ones() -> None:
    async with recorded_requests() as (endpoint, heads):
        query = (
            f"endpoint={quote(endpoint)}&allow_http=true&region=eu-west-1"
            "&access_key_id=from-query&secret_access_key=s%2F%2B&session_token=passing"
        )
        store = open_store(f"s3://{BUCKET}?{query}", {"region": "eu-north-1"})
        await store.put(NAME, b"one")

    (head,) = heads
    assert head.startswith(f"PUT /{BUCKET}/{NAME} ")
    assert "Credential=from-query/" in head
    assert "/eu-north-1/s3/" in head
    assert "x-amz-security-token: passing" in head.lower()


BAD_URLS = [
    ("", {}, "use a folder such as var/media, or s3://bucket/prefix"),
    ("  ", {}, "use a folder such as var/media, or s3://bucket/prefix"),
    ("gs://bucket/prefix", {}, "use a folder such as var/media, or s3://bucket/prefix"),
    ("https://s3.example.org/bucket", {}, "use a folder such as var/media, or s3://bucket/prefix"),
    ("file://media", {}, "with three slashes"),
    ("/dev/null/media", {}, "name one that can be created"),
    ("s3://", {}, "s3://bucket/prefix"),
    ("s3:///prefix", {}, "s3://bucket/prefix"),
    ("s3:bucket/prefix?secret_access_key=SECRET", {}, "s3://bucket/prefix"),
    ("s3://key:SECRET@bucket", {}, "are options"),
    ("s3://bucket:9000/prefix", {}, "are options"),
    ("s3://bucket/../other", {}, "check bucket, prefix and options"),
    ("s3://bucket?acces_key=SECRET", {}, "Unknown media option 'acces_key'"),
    ("s3://bucket", {"password": "SECRET"}, "Unknown media option 'password'"),
    ("s3://bucket?region=", {}, "'region' is empty"),
    ("s3://bucket", {"access_key_id": "SECRET"}, "give both or neither"),
    ("s3://bucket", {"secret_access_key": "SECRET"}, "give both or neither"),
    ("s3://bucket", {"session_token": "SECRET"}, "give both or neither"),
    ("s3://bucket?allow_http=yes", {}, "allow_http must be true or false"),
    ("s3://bucket", {"endpoint": "localhost:9000"}, "such as https://s3.example.org"),
    ("s3://bucket", {"endpoint": "https://key:SECRET@s3.example.org"}, "without keys"),
    ("s3://bucket", {"endpoint": "http://s3.example.org"}, "add allow_http=true"),
]


@pytest.mark.parametrize(("url", "options", "advice"), BAD_URLS)
def test_a_bad_url_is_refused_in_one_line_that_says_what_to_do(
    url: str, options: dict[str, str], advice: str
) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the advice is compared below
        open_store(url, options)

    message = str(refusal.value)
    assert advice in message
    assert "\n" not in message
    assert "SECRET" not in message
