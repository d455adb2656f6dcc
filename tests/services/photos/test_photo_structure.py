import io
import struct
import zlib

import pytest
from PIL import Image

from services.photos.structure import OddStructure, check_structure


def encode(format: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((64, 48), 80).convert("RGB").save(file, format, **options)
    return file.getvalue()


JPEG, PNG = encode("JPEG"), encode("PNG")
PROGRESSIVE = encode("JPEG", progressive=True)
PNG_START = b"\x89PNG\r\n\x1a\n"
EMPTY_SEGMENT = b"\xff\xe5\x00\x02"


def in_jpeg(inserted: bytes) -> bytes:
    """A JPEG with bytes before its first segment."""
    return JPEG[:2] + inserted + JPEG[2:]


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def chunk_starts(png: bytes) -> list[int]:
    """The start of each chunk of a PNG."""
    starts, at = list[int](), len(PNG_START)
    while at < len(png):
        starts.append(at)
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return starts


def in_png(before: bytes = b"", behind: bytes = b"") -> bytes:
    """A PNG with bytes before and after its pixels."""
    pixels = PNG.index(b"IDAT") - 4
    return PNG[:pixels] + before + PNG[pixels:-12] + behind + PNG[-12:]


ORDINARY = {
    "JPEG": JPEG,
    "progressive": PROGRESSIVE,
    "thumbnail in its metadata": in_jpeg(b"\xff\xe1" + struct.pack(">H", len(PROGRESSIVE) + 2) + PROGRESSIVE),
    "80 full segments": in_jpeg((b"\xff\xe1\xff\xff" + bytes(65_533)) * 80),
    "some fill bytes": in_jpeg(b"\xff" * 4_000),
    "what looks like segments behind the image": JPEG + EMPTY_SEGMENT * 5_000,
    "what looks like segments in a comment": in_jpeg(b"\xff\xfe\x4e\x22" + EMPTY_SEGMENT * 5_000),
    "PNG": PNG,
    "5,000 chunks": in_png(chunk(b"tEXt", b"a\0b") * 2_500, chunk(b"tEXt", b"a\0b") * 2_500),
    "what looks like chunks behind the image": PNG + chunk(b"iCCP") * 20_000,
    "animation of 3,000 frames": in_png(behind=(chunk(b"fcTL", bytes(26)) + chunk(b"fdAT", bytes(5))) * 3_000),
    "WebP": encode("WEBP"),
    "nothing": b"",
    "only the start of a JPEG": b"\xff\xd8",
    "only the start of a PNG": PNG[:9],
}


@pytest.mark.parametrize("data", ORDINARY.values(), ids=ORDINARY.keys())
def test_photos_of_cameras_and_programs_are_accepted(data: bytes) -> None:
    check_structure(data)


ODD = {
    "empty segments": in_jpeg(EMPTY_SEGMENT * 1_000),
    "comments": in_jpeg(b"\xff\xfe\x00\x02" * 1_000),
    "tables": in_jpeg(b"\xff\xc4\x00\x02" * 1_000),
    "segments between scans": PROGRESSIVE.replace(b"\xff\xda", b"\xff\xc4\x00\x02" * 500 + b"\xff\xda"),
    "fill bytes": in_jpeg(b"\xff" * 5_000),
    "zeros": in_jpeg(bytes(5_000)),
    "restarts": in_jpeg(b"\xff\xd0" * 3_000),
    "segments hidden in a reserved one": in_jpeg(b"\xff\xf0\x4e\x22" + EMPTY_SEGMENT * 5_000),
    "segments hidden in another reserved one": in_jpeg(b"\xff\xc8\x4e\x22" + EMPTY_SEGMENT * 5_000),
    "segments hidden behind an early end": in_jpeg(b"\xff\xd9" + EMPTY_SEGMENT * 5_000),
    "chunks": in_png(chunk(b"abCd") * 10_000),
    "chunks behind the pixels": in_png(behind=chunk(b"abCd") * 10_000),
    "empty pixels": in_png(behind=chunk(b"IDAT") * 10_000),
    "profiles": in_png(chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000))) * 2),
}


@pytest.mark.attack("uploads")
@pytest.mark.parametrize("data", ODD.values(), ids=ODD.keys())
def test_more_parts_than_any_photo_has_are_refused(data: bytes) -> None:
    with pytest.raises(OddStructure):
        check_structure(data)


@pytest.mark.attack("uploads")
def test_a_png_whose_checksums_do_not_fit_is_refused_wherever_the_damage_is() -> None:
    start, end = len(PNG_START), PNG.index(b"IEND") - 4
    # Not the lengths of chunks: with another length the file has other chunks.
    lengths = {at + i for at in chunk_starts(PNG) for i in range(4)}
    for at in set(range(start, end, 101)) - lengths:
        with pytest.raises(OddStructure, match="damaged"):
            check_structure(PNG[:at] + bytes([PNG[at] ^ 0x10]) + PNG[at + 1 :])
