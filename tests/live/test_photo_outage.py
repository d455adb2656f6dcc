"""A failing bucket is reported as degraded in answers, health, metrics and the log, until it works again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from application import application as application_module
from application.settings import Settings
from tests.conftest import serving
from tests.support.api import Api
from tests.support.pictures import picture, sign_up_with_photo
from tests.support.waiting import until

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)

NAME = "0123456789abcdef" * 2 + ".webp"
OPTIONS = {"region": "eu", "access_key_id": "a", "secret_access_key": "b", "allow_http": "true"}


class Bucket:
    """A bucket that answers, or refuses everything."""

    def __init__(self) -> None:
        self.works = False
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length:")[2].partition("\r\n")[0].strip() or "0"
        await reader.readexactly(int(length))
        status = "200 OK" if self.works else "500 Internal Server Error"
        writer.write(f'HTTP/1.1 {status}\r\nETag: "1"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'.encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def buckets() -> AsyncIterator[Bucket]:
    bucket = Bucket()
    listener = await asyncio.start_server(bucket.answer, "127.0.0.1", 0)
    async with listener:
        host, port = listener.sockets[0].getsockname()
        bucket.url = f"http://{host}:{port}"
        yield bucket


async def told(api: Api) -> tuple[str, float]:
    """The state of the photos in health and metrics."""
    ready = await api.http.get("/readyz")
    assert ready.status_code == 200
    text = (await api.http.get("/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith("taxirank_photos_up ")]
    return ready.json()["photos"], float(line.partition(" ")[2])


async def test_an_outage_of_the_bucket_is_reported_everywhere_until_it_is_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_module, "RECHECK_INTERVAL_S", 0.05)
    async with buckets() as bucket:
        options = OPTIONS | {"endpoint": bucket.url}
        changed = settings.model_copy(update={"media_url": "s3://photos", "media_options": options})
        with capture_logs() as logs:
            async with serving(changed) as live, Api(live.url) as api:
                # At the start, without an upload.
                await until(lambda: not live.application.photo_store.is_up)
                assert await told(api) == ("degraded", 0)
                payload = await sign_up_with_photo(api, picture())
                (error,) = payload["errors"]
                assert (error["code"], error["field"], error["retryable"]) == (
                    "PHOTOS_UNAVAILABLE",
                    ["photo"],
                    True,
                )
                image = await api.http.get(f"/media/{NAME}")
                assert (image.status_code, image.headers["Retry-After"]) == (503, "5")
                # Without a photo everything works.
                await api.sign_up("RIDER")

                bucket.works = True
                await until(lambda: live.application.photo_store.is_up)
                assert await told(api) == ("ok", 1)
                assert (await sign_up_with_photo(api, picture()))["errors"] == []

                bucket.works = False
                assert (await api.http.get(f"/media/{NAME}")).status_code == 503
                assert await told(api) == ("degraded", 0)
    lines = [line["event"] for line in logs if "photo" in line["event"]]
    begins, ends = "the photo store fails", "the photo store works again"
    assert lines == [begins, ends, begins]
    assert not [line for line in logs if line["event"] == "incident"]
