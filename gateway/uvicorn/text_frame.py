"""Reads a text message that has come in one piece, which is nearly every one, without a parser."""

# The one in C, where the package has it.
from websockets.frames import apply_mask  # pyright: ignore[reportPrivateImportUsage]

# FIN and the opcode of text; the bit of a masked frame (RFC 6455, section 5.2).
_WHOLE_TEXT = 0x81
_MASKED = 0x80
# A length that does not fit into seven bits is in the two bytes after it.
_LONG = 126


def payload_of(data: bytes) -> bytes | None:
    """The unmasked payload, if the bytes are exactly one whole text message of a client and no more than 64 KiB.

    None: they are anything else, or an error. websockets' parser reads them then, in eight generators.
    """
    if len(data) < 6 or data[0] != _WHOLE_TEXT:
        return None
    length, begin = data[1] - _MASKED, 6
    if length == _LONG and len(data) >= 8:
        length, begin = (data[2] << 8) | data[3], 8
    elif length >= _LONG:
        return None
    # An unmasked frame has a negative length.
    return apply_mask(data[begin:], data[begin - 4 : begin]) if len(data) == begin + length else None
