"""Checks the structure of a photo file before it is decoded.

Pillow reads the parts of a file one by one, in Python, and keeps most of them. A photo has some dozens of parts;
5 MB can hold a million empty ones, which took seconds in which nothing else ran, and 160 MB.
"""

import re
import zlib

# Encoders write at most some twenty. Each further one makes the decoder visit the whole image again for a few
# bytes: 200 empty scans (8 kB) of a 24-megapixel image took 3 s, so 5 MB would hold a thread for 30 minutes.
_JPEG_SCANS_MAX = 64
# A camera's has some tens; 5 MB of metadata and profiles in the largest segments are eighty more.
_JPEG_SEGMENTS_MAX = 1_000
# Nothing stands between the segments of a head, except padding of some cameras.
_JPEG_JUNK_BYTES_MAX = 4_096
_JPEG_START = b"\xff\xd8"
# What begins a segment with a length, and 0xD9, which ends the image; the search passes over other markers.
_JPEG_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
# Reserved ones: one decoder sees a length behind them, and the other further markers.
_JPEG_AMBIGUOUS = {0xC8, *range(0xF0, 0xFE)}

_PNG_START = b"\x89PNG\r\n\x1a\n"
# Pixels come in chunks of 8 KB or more, and each frame of an animation is two.
_PNG_CHUNKS_MAX = 10_000
# Pillow unpacks as many as there are: 5 MB of them (5 GB unpacked) took 12 s.
_PNG_PROFILES_MAX = 1


class OddStructure(Exception):
    """A file that no encoder writes. The text tells the user why."""


def check_structure(data: bytes) -> None:
    """Check how a JPEG or PNG is put together. Takes some ten milliseconds at most.

    Files of other formats pass: the parts of a WebP are read in C, which takes no time. Of the contents only the
    checksums of a PNG are checked: JPEG and WebP have none.

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
        # Its length, its kind, what is in it, and its checksum.
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        # Pillow does not compare those of the pixels. What is cut off is the decoder's to refuse.
        if end <= len(data) and zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise OddStructure("The PNG photo is damaged: a checksum does not fit.")
        at = end
