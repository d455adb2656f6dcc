"""Sign-ups with hostile files and malformed forms."""

import functools
import io
import itertools
import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio
import structlog
from PIL import ExifTags, Image, PngImagePlugin

from application.settings import Settings
from tests.conftest import LiveServer, serving
from tests.support.api import PASSWORD, SIGN_UP
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("uploads")]

SCRIPT = b"<script>alert('EVIL')</script>"
RED, BLUE = (220, 30, 30), (20, 40, 210)
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveServer]:
    """A server only for these tests, so that they see everything that it stores."""
    folder = tmp_path_factory.mktemp("uploads")
    shutil.copy(sqlite_template, folder / "taxirank.sqlite3")
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=f"sqlite://{folder / 'taxirank.sqlite3'}",
        media_url=str(folder / "media"),
        password_hash_memory_kib=1024,
        port=0,
        photo_max_pixels=1_000_000,
        max_body_bytes=2 * 1024 * 1024,
        # The default does not allow two sign-ups in one request.
        max_cost=100_000,
    )
    async with serving(settings) as running:
        async with httpx.AsyncClient(base_url=running.url, verify=False, timeout=PATIENCE_S) as http:
            # Files that are opened once are open before the count.
            await Uploader(running, http).kept(PHOTO)
        yield running


class Uploader:
    """A client that sends forms and checks the result."""

    def __init__(self, server: LiveServer, http: httpx.AsyncClient) -> None:
        self.media = Path(server.application.settings.media_url)
        self.http = http

    async def send(self, *parts: bytes, end: bytes = b"--b--\r\n") -> httpx.Response:
        """Send a multipart body with these parts."""
        body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end
        headers = {"Content-Type": "multipart/form-data; boundary=b", "GraphQL-Require-Preflight": "1"}
        return await self.http.post("/graphql", content=body, headers=headers)

    async def sign_up(
        self, photo: bytes, *, name: bytes = b"photo.jpg", content_type: bytes = b"image/jpeg"
    ) -> dict[str, Any]:
        """Sign up with a photo; the payload."""
        response = await self.send(
            field("operations", operations()), field("map", {"0": ["variables.input.photo"]}),
            file("0", photo, name=name, content_type=content_type),
        )  # fmt: skip
        assert response.status_code == 200, response.text
        return response.json()["data"]["signUp"]

    def stored(self) -> set[str]:
        """The names of all files beside the photos."""
        return {
            str(path.relative_to(self.media.parent)) for path in self.media.parent.rglob("*") if path.is_file()
        }

    async def refused(self, photo: bytes) -> str:
        """Sign up with a file that is no photo; the code. Nothing is stored."""
        before = self.stored()
        payload = await self.sign_up(photo)
        assert payload["user"] is None
        (error,) = payload["errors"]
        assert error["field"] == ["photo"]
        assert self.stored() == before
        return error["code"]

    async def kept(self, photo: bytes, **lies: bytes) -> Image.Image:
        """Sign up with a photo; the served file, which is WebP and nothing else."""
        before = self.stored()
        payload = await self.sign_up(photo, **lies)
        assert payload["errors"] == []
        path: str = payload["user"]["photo"]
        assert self.stored() - before == {path[1:]}
        served = await self.http.get(path)
        assert_inert(served)
        assert b"EVIL" not in served.content
        assert not zipfile.is_zipfile(io.BytesIO(served.content))
        image = Image.open(io.BytesIO(served.content), formats=["WEBP"])
        image.load()
        assert not image.getexif()
        assert not {"exif", "xmp", "icc_profile"} & image.info.keys()
        return image


def assert_inert(response: httpx.Response) -> None:
    """A browser gets a picture, whatever type it is asked to assume."""
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "image/webp"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["Content-Disposition"] == "inline"
    # The whole file is one RIFF chunk: nothing follows it.
    assert response.content[:4] == b"RIFF"
    assert int.from_bytes(response.content[4:8], "little") + 8 == len(response.content)


@pytest_asyncio.fixture(loop_scope="module")
async def uploader(server: LiveServer) -> AsyncIterator[Uploader]:
    """A client; afterwards the server is alive and correct, has had no failure, and holds no file open."""
    files_before = psutil.Process().num_fds()
    async with httpx.AsyncClient(base_url=server.url, verify=False, timeout=PATIENCE_S) as http:
        with structlog.testing.capture_logs() as logs:
            yield Uploader(server, http)
            response = await http.post("/graphql", json={"query": "{ __typename }"})
        assert response.json() == {"data": {"__typename": "Query"}}
        assert not [log for log in logs if log["event"] == "incident"]
        # Its connection has two ends in this process.
        assert psutil.Process().num_fds() <= files_before + 2


def operations(**variables: Any) -> dict[str, Any]:
    """A sign-up of a new user."""
    account = {
        "username": f"uploader{next(_numbers)}@example.com",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "firstName": "Up",
        "lastName": "Loader",
        "role": "RIDER",
        "photo": None,
    }
    return {"query": SIGN_UP, "variables": {"input": account, **variables}}


def field(name: str, value: Any) -> bytes:
    """A text part."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name.encode(), text)


def file(
    key: str, data: bytes, *, name: bytes = b"photo.jpg", content_type: bytes = b"image/jpeg", more: bytes = b""
) -> bytes:
    """A file part."""
    disposition = b'Content-Disposition: form-data; name="%b"; filename="%b"' % (key.encode(), name)
    return disposition + b"\r\nContent-Type: " + content_type + b"\r\n" + more + b"\r\n" + data


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    """The bytes of an image."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def plain(mode: str = "RGB", colour: Any = RED, size: tuple[int, int] = (32, 24)) -> Image.Image:
    """An image of one colour."""
    return Image.new(mode, size, colour)


def zipped() -> bytes:
    """An archive that contains a page."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as into:
        into.writestr("EVIL.html", SCRIPT)
    return archive.getvalue()


def png_text() -> PngImagePlugin.PngInfo:
    """A text chunk with a script in it."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SCRIPT.decode())
    return text


def exif(orientation: int = 1) -> Image.Exif:
    """The location of the photo, and the orientation of the camera."""
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    block[ExifTags.Base.Artist] = "EVIL"
    block.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    return block


POLYGLOTS = {
    "JPEG and HTML": encode(plain(), "JPEG", comment=SCRIPT),
    "JPEG and JavaScript": encode(plain(), "JPEG", comment=b"*/=alert('EVIL');/*"),
    "JPEG and HTML behind it": encode(plain(), "JPEG") + SCRIPT,
    "JPEG and ZIP": encode(plain(), "JPEG") + zipped(),
    "JPEG and PDF": encode(plain(), "JPEG", comment=b"%PDF-1.4 EVIL") + b"%PDF-1.4 EVIL",
    "JPEG and PHP in its metadata": encode(plain(), "JPEG", exif=exif(), xmp=b"<?php EVIL ?>"),
    "PNG and HTML": encode(plain(), "PNG", pnginfo=png_text()),
    "PNG and ZIP": encode(plain(), "PNG") + zipped(),
    "PNG and a shell script": encode(plain(), "PNG") + b"\n#!/bin/sh\necho EVIL\n",
    "WebP and XMP": encode(plain(), "WEBP", xmp=SCRIPT, exif=exif()),
    "WebP and HTML behind it": encode(plain(), "WEBP") + SCRIPT,
}


@pytest.mark.parametrize("photo", POLYGLOTS.values(), ids=POLYGLOTS.keys())
async def test_of_a_file_that_is_valid_in_two_formats_only_the_picture_is_kept(
    uploader: Uploader, photo: bytes
) -> None:
    image = await uploader.kept(photo)
    assert image.size == (32, 24)


# Other formats that Pillow can write, and therefore read.
Image.init()
OTHER_FORMATS = sorted(Image.SAVE.keys() - {"JPEG", "PNG", "WEBP", "MPO", "HDF5", "BUFR", "GRIB", "WMF"})


def other_format(format: str) -> bytes:
    """A real file of that format."""
    for mode in ("RGB", "P", "L", "1"):
        try:
            return encode(plain().convert(mode), format)
        except (OSError, ValueError, KeyError):
            continue
    raise AssertionError(f"no way to write {format}")


@pytest.mark.filterwarnings("ignore:IM image format:DeprecationWarning")
@pytest.mark.parametrize("format", OTHER_FORMATS)
async def test_other_formats_that_pillow_can_open_are_refused(uploader: Uploader, format: str) -> None:
    assert await uploader.refused(other_format(format)) == "PHOTO_INVALID"


NO_PHOTOS = {
    "GIF and JavaScript": b"GIF89a/*" + encode(plain(), "GIF")[8:] + b"*/=alert('EVIL')",
    "GIF of 100 frames": encode(
        plain("P", 1), "GIF", save_all=True, append_images=[plain("P", n % 250) for n in range(99)]
    ),
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "SVG that asks another host": b'<svg><image href="http://169.254.169.254/"/></svg>',
    "HTML": b"<!doctype html>" + SCRIPT,
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(%pipe%id) (r) file\n",
    "PSD": b"8BPS\x00\x01" + bytes(6) + struct.pack(">HIIHH", 3, 24, 32, 8, 3),
    "MVG": b"push graphic-context\nfill 'url(https://example.com/|id)'\n",
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(40),
    "HEIC": b"\x00\x00\x00\x18ftypheic" + bytes(60),
    "MP4": b"\x00\x00\x00\x18ftypisom" + bytes(60),
    "ELF": b"\x7fELF" + bytes(60),
    "ZIP": zipped(),
    "ZIP and JPEG": zipped() + encode(plain(), "JPEG"),
    "gzip": b"\x1f\x8b\x08" + bytes(60),
    "nothing": b"",
    "a JPEG cut off": encode(Image.effect_noise((64, 64), 80), "JPEG")[:-300],
    "a PNG cut off": encode(Image.effect_noise((64, 64), 80), "PNG")[:-300],
    "a WebP cut off": encode(Image.effect_noise((64, 64), 80).convert("RGB"), "WEBP")[:-300],
}


@pytest.mark.parametrize("photo", NO_PHOTOS.values(), ids=NO_PHOTOS.keys())
async def test_a_file_that_is_no_photo_is_refused(uploader: Uploader, photo: bytes) -> None:
    assert await uploader.refused(photo) == "PHOTO_INVALID"


def png_that_announces(width: int, height: int) -> bytes:
    """A small PNG that declares a large size in its header."""
    data = encode(plain(), "PNG")
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def jpeg_that_announces(width: int, height: int) -> bytes:
    """A small JPEG that declares a large size in its frame header."""
    data = encode(plain(), "JPEG")
    frame = data.index(b"\xff\xc0") + 5
    return data[:frame] + struct.pack(">HH", height, width) + data[frame + 4 :]


def webp_that_announces(width: int, height: int) -> bytes:
    """A small animated WebP with a large canvas."""
    data = encode(plain(), "WEBP", save_all=True, append_images=[plain("RGB", BLUE)])
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return data[:24] + size + data[30:]


BOMBS = {
    "pixels": encode(plain("1", 1, (4_000, 4_000)), "PNG"),
    "pixels in a row": encode(plain("1", 1, (1_100_000, 1)), "PNG"),
    "a PNG's header": png_that_announces(2**31 - 1, 2**31 - 1),
    "a JPEG's header": jpeg_that_announces(65_500, 65_500),
    "a WebP's header": webp_that_announces(16_383, 16_383),
    "a WebP's largest canvas": webp_that_announces(2**24, 2**8),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("photo", BOMBS.values(), ids=BOMBS.keys())
async def test_too_many_pixels_are_refused_before_they_are_decoded(uploader: Uploader, photo: bytes) -> None:
    assert await uploader.refused(photo) == "PHOTO_TOO_LARGE"


def png_with(kind: bytes, data: bytes, *, times: int = 1) -> bytes:
    """A PNG with more chunks before its pixels."""
    png = encode(plain(), "PNG")
    pixels = png.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png[:pixels] + chunk * times + png[pixels:]


@functools.cache
def packed() -> bytes:
    """Data that decompresses to 100 MB."""
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(100)) + packer.flush()


@pytest.mark.parametrize(("kind", "prefix"), [(b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")])
async def test_a_file_that_decompresses_to_100_mb_does_not_take_100_mb(
    uploader: Uploader, kind: bytes, prefix: bytes
) -> None:
    photo = png_with(kind, prefix + packed())
    process = psutil.Process()
    before = process.memory_info().rss
    payload = await uploader.sign_up(photo)
    assert payload["user"] is not None or payload["errors"][0]["code"] == "PHOTO_INVALID"
    assert process.memory_info().rss - before < 50_000_000


async def test_500_texts_that_decompress_to_1_mb_each_are_refused(uploader: Uploader) -> None:
    assert await uploader.refused(png_with(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000)), times=500))


UNUSUAL = {
    "CMYK": encode(plain().convert("CMYK"), "JPEG", quality=95),
    "grey of 16 bits": encode(plain("I;16", 30_000), "PNG"),
    "palette with a transparent colour": encode(plain("P", 1), "PNG", transparency=0),
    "palette with transparent colours": encode(plain("P", 1), "PNG", transparency=bytes(range(256))),
    "grey with transparency": encode(plain("LA", (90, 200)), "PNG"),
    "two cameras in one": encode(plain(), "MPO", save_all=True, append_images=[plain("RGB", BLUE)]),
    "one pixel": encode(plain(size=(1, 1)), "PNG"),
    "one row": encode(plain(size=(60_000, 1)), "JPEG"),
}


@pytest.mark.parametrize("photo", UNUSUAL.values(), ids=UNUSUAL.keys())
async def test_an_unusual_photo_is_kept_as_one_frame(uploader: Uploader, photo: bytes) -> None:
    image = await uploader.kept(photo)
    assert image.n_frames == 1


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
async def test_of_thousands_of_frames_the_first_is_kept(uploader: Uploader, format: str) -> None:
    frames = [plain("RGB", (n % 250, 9, n // 250), (4, 4)) for n in range(2_000)]
    photo = encode(frames[0], format, save_all=True, append_images=frames[1:])
    image = await uploader.kept(photo)
    assert image.n_frames == 1
    assert image.getpixel((0, 0))[0] < 30


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
async def test_the_stored_photo_has_no_location_and_stands_upright(uploader: Uploader, format: str) -> None:
    lying = plain(size=(32, 24))
    lying.paste(BLUE, (0, 0, 32, 12))

    image = await uploader.kept(encode(lying, format, exif=exif(orientation=6)))

    assert image.size == (24, 32)
    # Turned clockwise, the top is at the right.
    assert image.getpixel((20, 16))[2] > 150
    assert image.getpixel((4, 16))[0] > 150


@pytest.mark.parametrize(
    "content_type",
    [
        b"text/html",
        b"image/svg+xml",
        b"application/x-httpd-php",
        b"",
        b"\xff",
        b"image/png\x00text/html",
        b"x" * 4000,
    ],
)
async def test_the_declared_type_of_an_upload_is_ignored(uploader: Uploader, content_type: bytes) -> None:
    await uploader.kept(encode(plain(), "PNG"), content_type=content_type)


@pytest.mark.parametrize(
    "name",
    [
        b"../../EVIL.webp",
        b"..\\\\..\\\\EVIL.webp",
        b"/etc/passwd",
        b"C:\\\\EVIL.exe",
        b"EVIL.php\x00.jpg",
        b"EVIL\n.jpg",
        b"EVIL.html",
        b"....//....//EVIL",
        b"%2e%2e%2fEVIL",
        b"CON",
        b".htaccess",
        b"",
        b" ",
        b"\xff\xfe",
        "ЗЛО\u202egpj.exe".encode(),
        "😈".encode() * 500,
        b"x" * 4000,
        b"; rm -rf EVIL",
        SCRIPT,
    ],
)
async def test_the_name_of_an_upload_is_ignored(uploader: Uploader, name: bytes) -> None:
    before = set(uploader.media.parent.parent.rglob("*EVIL*"))
    await uploader.kept(encode(plain(), "PNG"), name=name)
    assert set(uploader.media.parent.parent.rglob("*EVIL*")) == before


PHOTO = encode(plain(), "PNG")
TO_PHOTO = {"0": ["variables.input.photo"]}
FORMS = {
    "1,000 files": [field("operations", operations()), field("map", TO_PHOTO)]
    + [file(str(n), b"x") for n in range(1_000)],
    "1,000 files before all else": [file(str(n), b"x") for n in range(1_000)],
    "1,000 fields": [field("operations", operations()), field("map", TO_PHOTO)]
    + [field(str(n), b"x") for n in range(1_000)],
    "1,000 times the operations": [field("operations", operations())] * 1_000,
    "a field of 300 KB": [field("operations", b" " * 300_000)],
    "a header of 1 MB": [file("0", b"x", content_type=b"x" * 1_000_000)],
    "a name of 1 MB": [file("0", b"x", name=b"x" * 1_000_000)],
    "a name of a field of 1 MB": [field("x" * 1_000_000, b"x")],
    "10,000 headers": [file("0", b"x", more=b"X-A: b\r\n" * 10_000)],
    "no headers": [b"\r\nx"],
    "no name": [b"Content-Disposition: form-data\r\n\r\nx"],
    "no form-data": [b'Content-Disposition: attachment\r\n\r\nx'],
    "a header without a colon": [b"Content-Disposition\r\n\r\nx"],
    "a map that leads nowhere": [field("operations", operations()), field("map", {"0": ["variables.no"]})],
    "a map that leads into the query": [
        field("operations", operations()), field("map", {"0": ["query"]}), file("0", PHOTO)
    ],
    "a map of a file that is none": [
        field("operations", operations()), field("map", {"operations": ["variables.input.photo"]})
    ],
    "a map of a file that is not there": [field("operations", operations()), field("map", TO_PHOTO)],
    "a map that leads to one place twice": [
        field("operations", operations()), field("map", {"0": ["variables.input.photo"] * 2}), file("0", PHOTO)
    ],
    "a map of two files to one place": [
        field("operations", operations()), field("map", {**TO_PHOTO, "1": ["variables.input.photo"]}),
        file("0", PHOTO), file("1", PHOTO),
    ],
    "a map of a thousand places": [
        field("operations", operations()), field("map", {"0": [f"variables.{n}" for n in range(1_000)]}),
        file("0", PHOTO),
    ],
    "a map that is nested deeply": [field("operations", operations()), field("map", b"[" * 100_000)],
    "operations that are nested deeply": [field("operations", b'{"query":' * 20_000), field("map", TO_PHOTO)],
    "operations as a file": [file("operations", json.dumps(operations()).encode()), field("map", TO_PHOTO)],
    "a path of 100 KB": [
        field("operations", operations()), field("map", {"0": ["variables" + ".input" * 15_000]}), file("0", PHOTO)
    ],
    "a batch": [field("operations", [operations()] * 2), field("map", TO_PHOTO), file("0", PHOTO)],
    "nothing": [],
}  # fmt: skip


@pytest.mark.parametrize("parts", FORMS.values(), ids=FORMS.keys())
async def test_an_invalid_form_is_400_and_nothing_is_stored(uploader: Uploader, parts: list[bytes]) -> None:
    before = uploader.stored()
    response = await uploader.send(*parts)
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] in ("BAD_REQUEST", "BATCHING_NOT_SUPPORTED")
    assert uploader.stored() == before


@pytest.mark.parametrize(
    "end", [b"", b"--b", b"--b\r\n", b"--c--\r\n", b'--b\r\nContent-Disposition: form-data; name="2"', b"--b--"]
)
async def test_a_form_without_its_last_boundary_is_400(uploader: Uploader, end: bytes) -> None:
    parts = [field("operations", operations()), field("map", TO_PHOTO), file("0", PHOTO)]
    response = await uploader.send(*parts, end=end)
    # Only the bytes after the boundary may be missing.
    assert response.status_code == (200 if end == b"--b--" else 400)


async def test_one_file_may_be_used_in_two_places(uploader: Uploader) -> None:
    both = """mutation ($a: SignUpInput!, $b: SignUpInput!) {
        a: signUp(input: $a) { errors { code } } b: signUp(input: $b) { errors { code } }
    }"""
    accounts = {key: operations()["variables"]["input"] for key in "ab"}
    response = await uploader.send(
        field("operations", {"query": both, "variables": accounts}),
        field("map", {"0": ["variables.a.photo", "variables.b.photo"]}),
        file("0", PHOTO),
    )
    assert response.json() == {"data": {"a": {"errors": []}, "b": {"errors": []}}}


async def test_a_file_without_a_place_in_the_map_is_dropped(uploader: Uploader) -> None:
    before = uploader.stored()
    parts = [
        field("operations", {"query": "{ __typename }"}),
        field("map", {}),
        *[file(str(n), PHOTO) for n in range(5)],
    ]
    assert (await uploader.send(*parts)).json() == {"data": {"__typename": "Query"}}
    assert uploader.stored() == before
