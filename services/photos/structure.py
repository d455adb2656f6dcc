"""Checks the structure of a photo file before it is decoded.

Pillow reads the parts of a file one by one, in Python, and keeps most of them. A photo has some dozens of parts; 5
MB can hold a million empty ones, which blocked everything else for seconds and took 160 MB.
"""

import re
import zlib

# Encoders write at most about twenty. For each further one the decoder visits the whole image again for a few
# bytes: 200 empty scans (8 kB) of a 24-megapixel image took 3 s, so 5 MB would block a thread for 30 minutes.
_JPEG_SCANS_MAX = 64
# A camera writes some tens; 5 MB of metadata and profiles in the largest segments are eighty more.
_JPEG_SEGMENTS_MAX = 1_000
# The head has nothing between its segments, except padding of some cameras.
_JPEG_JUNK_BYTES_MAX = 4_096
_JPEG_START = b"\xff\xd8"
# Markers of segments with a length, and 0xD9, which ends the image; the search skips other markers.
_JPEG_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
# Reserved markers: one decoder reads a length after them, another further markers.
_JPEG_AMBIGUOUS = {0xC8, *range(0xF0, 0xFE)}

_PNG_START = b"\x89PNG\r\n\x1a\n"
# Pixels come in chunks of 8 KB or more; each frame of an animation is two chunks.
_PNG_CHUNKS_MAX = 10_000
# Pillow decompresses all of them: 5 MB of them (5 GB decompressed) took 12 s.
_PNG_PROFILES_MAX = 1


class OddStructure(Exception):
    """A file that no encoder writes. The text tells the user why."""


def check_structure(data: bytes) -> None:
    """Check the structure of a JPEG or PNG. Takes at most some ten milliseconds.

    Files of other formats pass: the parts of a WebP are read in C, which takes no time. The contents are not
    checked, except the checksums of a PNG: JPEG and WebP have none.

    Raises:
        OddStructure: it has more parts than any photo, or is damaged.
    """
    if data.startswith(_JPEG_START):
        _check_jpeg(data)
    elif data.startswith(_PNG_START):
        _check_png(data)


def _check_jpeg(data: bytes) -> None:
    """Walk from marker to marker, as the decoder does."""
    segments = scans = junk_bytes = 0
    at = len(_JPEG_START)
    while (marker := _JPEG_MARKER.search(data, at)) is not None:
        kind = marker[1][0]
        if scans > 0 and kind == _JPEG_END:
            return
        if kind == _JPEG_END or kind in _JPEG_AMBIGUOUS:
            raise OddStructure("A JPEG photo may have only image segments.")
        segments += 1
        if segments > _JPEG_SEGMENTS_MAX:
            raise OddStructure(f"A JPEG photo may have at most {_JPEG_SEGMENTS_MAX:,} segments.")
        if scans == 0:
            junk_bytes += marker.start() - at
            if junk_bytes > _JPEG_JUNK_BYTES_MAX:
                raise OddStructure("A JPEG photo may have nothing between its segments.")
        scans += kind == _JPEG_SCAN
        if scans > _JPEG_SCANS_MAX:
            raise OddStructure(f"A JPEG photo may have at most {_JPEG_SCANS_MAX} scans.")
        at = marker.end() + max(2, int.from_bytes(data[marker.end() : marker.end() + 2], "big"))


def _check_png(data: bytes) -> None:
    chunks = profiles = 0
    view = memoryview(data)
    at = len(_PNG_START)
    while at < len(data):
        kind = data[at + 4 : at + 8]
        if kind == b"IEND":
            return
        chunks += 1
        if chunks > _PNG_CHUNKS_MAX:
            raise OddStructure(f"A PNG photo may have at most {_PNG_CHUNKS_MAX:,} chunks.")
        profiles += kind == b"iCCP"
        if profiles > _PNG_PROFILES_MAX:
            raise OddStructure("A PNG photo may have one colour profile.")
        # Its length, its type, its contents, and its checksum.
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        # Pillow does not check those of the pixels. The decoder refuses truncated files.
        if end <= len(data) and zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise OddStructure("The PNG photo is damaged: a checksum does not fit.")
        at = end
