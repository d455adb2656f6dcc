import asyncio
import io
import random
import struct
import threading
import zipfile
import zlib

import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin

from services.errors import ErrorCode, UserFault
from services.photos.processing import PhotoInvalid, PhotoProcessor, PhotoTooLarge

MAX_BYTES = 1_000_000
MAX_PIXELS = 2_000_000

RED = (220, 30, 30)
GREEN = (30, 200, 40)
BLUE = (20, 40, 210)
WHITE = (250, 250, 250)
SIZE = (64, 48)

FORMATS = ("JPEG", "PNG", "WEBP")
CHUNKS_OF_PIXELS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH"}


@pytest.fixture
def processor() -> PhotoProcessor:
    return PhotoProcessor(max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def plain(colour: tuple[int, ...] = RED, *, mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.new(mode, size, colour)


def quarters() -> Image.Image:
    """Red, green, blue and white, clockwise from the upper left."""
    image = plain(RED)
    width, height = SIZE
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (width // 2, height // 2, width, height))
    image.paste(WHITE, (0, height // 2, width // 2, height))
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    right, low = image.width - 8, image.height - 8
    return [image.getpixel(at) for at in ((8, 8), (right, 8), (right, low), (8, low))]


def near(colour: tuple[int, ...], other: tuple[int, ...], *, within: int = 12) -> bool:
    return len(colour) == len(other) and all(abs(a - b) <= within for a, b in zip(colour, other, strict=True))


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def zipped_text(length: int) -> PngImagePlugin.PngInfo:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * length, zip=True)
    return text


def webp_chunks(data: bytes) -> set[bytes]:
    kinds, at = set(), 12
    while at < len(data):
        kinds.add(data[at : at + 4])
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return kinds


async def processed(processor: PhotoProcessor, data: bytes) -> Image.Image:
    kept = await processor.process(data)
    image = Image.open(io.BytesIO(kept), formats=["WEBP"])
    image.load()
    return image


@pytest.mark.parametrize("format", FORMATS)
async def test_every_accepted_format_becomes_webp(processor: PhotoProcessor, format: str) -> None:
    image = await processed(processor, encode(plain(GREEN), format))

    assert image.size == SIZE
    assert near(image.getpixel((20, 20)), GREEN)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("size", "kept"),
    [((1600, 400), (1024, 256)), ((400, 1600), (256, 1024)), ((1024, 1024), (1024, 1024)), ((3, 2), (3, 2))],
)
async def test_the_longest_side_is_at_most_1024_px(
    processor: PhotoProcessor, format: str, size: tuple[int, int], kept: tuple[int, int]
) -> None:
    assert (await processed(processor, encode(plain(size=size), format))).size == kept


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", FORMATS)
async def test_a_photo_stands_upright_whatever_its_orientation(
    processor: PhotoProcessor, format: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encode(quarters(), format, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))

    image = await processed(processor, data)

    assert image.size == upright.size
    assert all(near(a, b, within=20) for a, b in zip(corners(image), corners(upright.convert("RGB")), strict=True))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("exif", [b"Exif\x00\x00garbage", b"Exif\x00\x00MM\x00*\xff\xff\xff\xff", b"Exif\x00\x00"])
async def test_a_photo_with_broken_exif_is_kept_without_turning_it(
    processor: PhotoProcessor, format: str, exif: bytes
) -> None:
    image = await processed(processor, encode(quarters(), format, exif=exif))

    assert near(image.getpixel((8, 8)), RED, within=20)


def metadata() -> dict[str, object]:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "SECRET"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    return {
        "exif": exif,
        "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET</x:xmpmeta>",
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }


def with_metadata(format: str) -> bytes:
    image = plain()
    if format == "JPEG":
        return encode(image, format, comment=b"SECRET", **metadata())
    if format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "SECRET")
        text.add_text("Zipped", "SECRET", zip=True)
        text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>SECRET</x:xmpmeta>")
        return encode(image, format, pnginfo=text, **metadata())
    return encode(image, format, **metadata())


@pytest.mark.attack("uploads")
@pytest.mark.parametrize("format", FORMATS)
async def test_no_metadata_survives_and_above_all_not_the_location(processor: PhotoProcessor, format: str) -> None:
    data = with_metadata(format)
    sent = Image.open(io.BytesIO(data))
    assert sent.getexif().get_ifd(ExifTags.IFD.GPSInfo)[2] == (52.0, 31.0, 12.0)
    assert b"SECRET" in data
    assert sent.info["icc_profile"]

    kept = await processor.process(data)

    assert webp_chunks(kept) <= CHUNKS_OF_PIXELS
    assert b"SECRET" not in kept
    image = Image.open(io.BytesIO(kept))
    assert not image.getexif()
    assert not {"exif", "xmp", "icc_profile", "comment"} & image.info.keys()


@pytest.mark.attack("uploads")
async def test_bytes_appended_to_a_photo_are_dropped(processor: PhotoProcessor) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("payload.html", "<script>SECRET</script>")
    polyglot = encode(plain(), "JPEG") + archive.getvalue()
    assert zipfile.is_zipfile(io.BytesIO(polyglot))

    kept = await processor.process(polyglot)

    assert webp_chunks(kept) <= CHUNKS_OF_PIXELS
    assert not zipfile.is_zipfile(io.BytesIO(kept))
    assert b"SECRET" not in kept


async def test_a_cmyk_photo_keeps_its_colour(processor: PhotoProcessor) -> None:
    data = encode(plain(GREEN).convert("CMYK"), "JPEG", quality=95)
    assert Image.open(io.BytesIO(data)).mode == "CMYK"

    image = await processed(processor, data)

    assert near(image.getpixel((20, 20)), GREEN, within=20)


async def test_a_grey_photo_of_16_bits_keeps_its_shades(processor: PhotoProcessor) -> None:
    samples = struct.pack("<256H", *range(0, 65536, 256))
    data = encode(Image.frombytes("I;16", (256, 1), samples).resize((256, 32)), "PNG")
    assert Image.open(io.BytesIO(data)).mode == "I;16"

    image = await processed(processor, data)

    assert near(image.getpixel((32, 16)), (32,) * 3)
    assert near(image.getpixel((128, 16)), (128,) * 3)
    assert near(image.getpixel((224, 16)), (224,) * 3)


def half_clear(mode: str) -> bytes:
    image = plain((*BLUE, 255), mode="RGBA")
    image.paste((0, 0, 0, 0), (0, 0, SIZE[0] // 2, SIZE[1]))
    if mode == "P":
        palette = Image.new("P", SIZE, 0)
        palette.putpalette([*BLUE, 0, 0, 0])
        palette.paste(1, (0, 0, SIZE[0] // 2, SIZE[1]))
        return encode(palette, "PNG", transparency=1)
    return encode(image.convert(mode), "PNG")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
async def test_transparency_is_kept(processor: PhotoProcessor, mode: str) -> None:
    image = await processed(processor, half_clear(mode))

    assert image.mode == "RGBA"
    assert image.getpixel((8, 20))[3] == 0
    assert image.getpixel((56, 20))[3] == 255


@pytest.mark.parametrize(("mode", "value"), [("L", 128), ("1", 1)])
async def test_a_grey_or_black_and_white_photo_is_accepted(
    processor: PhotoProcessor, mode: str, value: int
) -> None:
    image = await processed(processor, encode(Image.new(mode, SIZE, value), "PNG"))

    grey = 255 if mode == "1" else value
    assert near(image.getpixel((20, 20)), (grey,) * 3)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
async def test_of_an_animation_the_first_frame_is_kept(processor: PhotoProcessor, format: str) -> None:
    data = encode(plain(RED), format, save_all=True, append_images=[plain(BLUE), plain(GREEN)], duration=40)
    assert Image.open(io.BytesIO(data)).n_frames == 3

    image = await processed(processor, data)

    assert image.n_frames == 1
    assert near(image.getpixel((20, 20)), RED)


async def test_of_a_cameras_file_with_several_pictures_the_first_is_kept(processor: PhotoProcessor) -> None:
    data = encode(plain(RED), "MPO", save_all=True, append_images=[plain(BLUE)])
    assert Image.open(io.BytesIO(data)).format == "MPO"

    assert near((await processed(processor, data)).getpixel((20, 20)), RED)


def profile_that_swaps_red_and_blue() -> bytes:
    """The profile of sRGB, with the primaries of red and blue exchanged in its table of tags."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


@pytest.mark.parametrize("format", FORMATS)
async def test_colours_are_converted_by_the_profile_of_the_photo(processor: PhotoProcessor, format: str) -> None:
    data = encode(plain((255, 0, 0)), format, icc_profile=profile_that_swaps_red_and_blue())

    assert near((await processed(processor, data)).getpixel((20, 20)), (0, 0, 255), within=20)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
async def test_a_profile_that_is_broken_or_of_another_mode_is_ignored(
    processor: PhotoProcessor, mode: str
) -> None:
    profile = b"garbage" if mode == "RGB" else profile_that_swaps_red_and_blue()
    image = plain((200, 200, 200)).convert(mode)

    assert near(
        (await processed(processor, encode(image, "JPEG", icc_profile=profile))).getpixel((20, 20)), (200,) * 3
    )


NO_PHOTOS = {
    "nothing": b"",
    "text": b"hello",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "GIF": encode(plain(), "GIF"),
    "BMP": encode(plain(), "BMP"),
    "TIFF": encode(plain(), "TIFF"),
    "GIF before a JPEG": encode(plain(), "GIF") + encode(plain(), "JPEG"),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    "only the start of a JPEG": b"\xff\xd8\xff\xe0",
    "only the start of a PNG": b"\x89PNG\r\n\x1a\n",
    "only the start of a WebP": b"RIFF\x20\x00\x00\x00WEBPVP8 ",
    "PNG of no width": png_header(0, 5),
    "PNG whose text unpacks to 8 MB": encode(plain(), "PNG", pnginfo=zipped_text(8_000_000)),
}


@pytest.mark.attack("uploads")
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("data", NO_PHOTOS.values(), ids=NO_PHOTOS.keys())
async def test_a_file_that_is_not_jpeg_png_or_webp_is_refused(processor: PhotoProcessor, data: bytes) -> None:
    with pytest.raises(PhotoInvalid) as refusal:
        await processor.process(data)

    assert refusal.value.code is ErrorCode.PHOTO_INVALID
    assert refusal.value.field == ("photo",)


@pytest.mark.attack("uploads")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
async def test_a_photo_that_was_cut_off_is_refused(processor: PhotoProcessor, format: str, share: float) -> None:
    data = encode(Image.effect_noise((200, 200), 80).convert("RGB"), format)

    with pytest.raises(PhotoInvalid):
        await processor.process(data[: int(len(data) * share)])


def png_with_checksum_of_pixels(data: bytes) -> bytes:
    """The PNG with the correct checksum of its first chunk of pixels."""
    at = data.index(b"IDAT") - 4
    end = at + 8 + int.from_bytes(data[at : at + 4], "big")
    return data[:end] + struct.pack(">I", zlib.crc32(data[at + 4 : end])) + data[end + 4 :]


@pytest.mark.attack("uploads")
@pytest.mark.parametrize("fits", [False, True], ids=["checksum does not fit", "checksum fits"])
async def test_a_png_with_one_damaged_byte_in_its_pixels_is_refused(processor: PhotoProcessor, fits: bool) -> None:
    # The pixels have a separate checksum, inside the chunks, which the decoder checks.
    whole = encode(Image.effect_noise((100, 80), 80).convert("RGB"), "PNG")
    start = whole.index(b"IDAT") + 6
    for share in range(1, 40):
        at = start + (whole.index(b"IEND") - start) * share // 40
        damaged = whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :]
        with pytest.raises(PhotoInvalid):
            await processor.process(png_with_checksum_of_pixels(damaged) if fits else damaged)


@pytest.mark.attack("uploads")
@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("format", FORMATS)
async def test_a_damaged_photo_is_refused_or_kept_but_never_a_crash(
    processor: PhotoProcessor, format: str
) -> None:
    chance = random.Random(f"damage to {format}")
    whole = with_metadata(format)
    refusals = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 4, 40))):
            damaged[chance.randrange(min(len(damaged), chance.choice((64, len(damaged)))))] = chance.randrange(256)
        try:
            await processor.process(bytes(damaged))
        except UserFault:
            refusals += 1

    assert refusals > 10


@pytest.mark.attack("uploads")
async def test_too_many_bytes_are_refused_before_they_are_read(processor: PhotoProcessor) -> None:
    with pytest.raises(PhotoTooLarge) as refusal:
        await processor.process(b"x" * (MAX_BYTES + 1))

    assert refusal.value.code is ErrorCode.PHOTO_TOO_LARGE
    assert refusal.value.field == ("photo",)


async def test_a_photo_of_exactly_the_byte_limit_is_accepted(processor: PhotoProcessor) -> None:
    data = encode(plain(), "JPEG")

    assert await processor.process(data + bytes(MAX_BYTES - len(data)))


@pytest.mark.attack("uploads")
@pytest.mark.parametrize("size", [(2001, 1000), (12_000, 10_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
async def test_a_header_that_declares_too_many_pixels_is_enough_for_a_refusal(
    processor: PhotoProcessor, size: tuple[int, int]
) -> None:
    with pytest.raises(PhotoTooLarge) as refusal:
        await processor.process(png_header(*size))

    assert refusal.value.code is ErrorCode.PHOTO_TOO_LARGE


@pytest.mark.attack("uploads")
async def test_a_jpeg_that_declares_too_many_pixels_is_refused(processor: PhotoProcessor) -> None:
    data = encode(plain(size=(300, 200)), "JPEG")
    frame = data.index(b"\xff\xc0") + 5

    with pytest.raises(PhotoTooLarge):
        await processor.process(data[:frame] + struct.pack(">HH", 65_000, 65_000) + data[frame + 4 :])


@pytest.mark.attack("uploads")
async def test_a_webp_that_declares_too_many_pixels_is_refused(processor: PhotoProcessor) -> None:
    data = encode(plain(), "WEBP", save_all=True, append_images=[plain(BLUE)], duration=40)
    canvas = (8_000).to_bytes(3, "little") * 2

    with pytest.raises(PhotoTooLarge):
        await processor.process(data[:24] + canvas + data[30:])


async def test_a_photo_of_exactly_the_pixel_limit_is_accepted(processor: PhotoProcessor) -> None:
    assert await processor.process(encode(plain(size=(2000, 1000)), "PNG"))


@pytest.mark.attack("uploads")
async def test_a_jpeg_of_countless_scans_is_refused_before_it_is_decoded(processor: PhotoProcessor) -> None:
    data = encode(plain(size=(1000, 1000)), "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]

    with pytest.raises(PhotoInvalid, match="scans"):
        await processor.process(data[:-2] + last_scan * 5_000 + data[-2:])


@pytest.mark.attack("uploads")
async def test_a_png_of_countless_profiles_is_refused_before_they_are_unpacked(processor: PhotoProcessor) -> None:
    data = encode(plain(), "PNG", icc_profile=bytes(1000))
    start = data.index(b"iCCP") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")

    with pytest.raises(PhotoInvalid, match="profile"):
        await processor.process(data[:start] + data[start:end] * 100 + data[end:])


async def test_an_ordinary_progressive_jpeg_is_accepted(processor: PhotoProcessor) -> None:
    data = encode(quarters(), "JPEG", progressive=True)

    assert near((await processed(processor, data)).getpixel((8, 8)), RED, within=20)


async def test_scan_markers_in_a_comment_or_after_the_image_do_not_count(processor: PhotoProcessor) -> None:
    scans = b"\xff\xda\x00\x02" * 100

    assert await processor.process(encode(plain(), "JPEG", comment=scans) + bytes(2) + scans)


@pytest.mark.attack("uploads")
async def test_only_so_many_photos_are_decoded_at_once_and_the_loop_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor = PhotoProcessor(max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS, concurrency=2)
    gate, two_are_in, counting = threading.Event(), threading.Event(), threading.Lock()
    inside, most = 0, 0
    open_image = Image.open

    def open_at_the_gate(*args: object, **options: object) -> Image.Image:
        nonlocal inside, most
        with counting:
            inside += 1
            most = max(most, inside)
            if inside == 2:
                two_are_in.set()
        gate.wait()
        with counting:
            inside -= 1
        return open_image(*args, **options)

    monkeypatch.setattr(Image, "open", open_at_the_gate)
    data = encode(plain(), "PNG")

    async with asyncio.TaskGroup() as group:
        left = group.create_task(processor.process(data))
        stays = [group.create_task(processor.process(data)) for _ in range(7)]
        await asyncio.to_thread(two_are_in.wait)
        left.cancel()
        await asyncio.wait([left])
        gate.set()

    assert left.cancelled()
    assert all(task.result() for task in stays)
    assert most == 2
