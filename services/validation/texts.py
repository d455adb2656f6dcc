"""Finds invisible characters in texts."""

import unicodedata


def _characters(*ranges: tuple[int, int] | int) -> frozenset[str]:
    spans = (each if isinstance(each, tuple) else (each, each) for each in ranges)
    return frozenset(chr(code) for first, last in spans for code in range(first, last + 1))


# Spaces, controls, what Unicode calls Default_Ignorable_Code_Point, and characters that are blank in every font
# though none of their properties says so: U+2800 (Braille), U+13441 and U+13442 (hieroglyphs), U+16FE4 (Khitan
# filler), U+1D159 (null notehead). ``unicodedata`` knows neither.
# Source: Unicode 17, DerivedCoreProperties.txt.
INVISIBLE = _characters(
    (0x00, 0x20),
    (0x7F, 0xA0),
    0xAD,
    0x34F,
    0x61C,
    (0x115F, 0x1160),
    0x1680,
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2000, 0x200F),
    (0x2028, 0x202F),
    (0x205F, 0x206F),
    0x2800,
    0x3000,
    0x3164,
    (0xFE00, 0xFE0F),
    0xFEFF,
    0xFFA0,
    (0xFFF0, 0xFFFB),
    (0x13430, 0x1343F),
    (0x13441, 0x13442),
    0x16FE4,
    (0x1BCA0, 0x1BCA3),
    0x1D159,
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
# They reverse the direction of the text after them. No keyboard types them.
OVERRIDES = _characters((0x202D, 0x202E))

_NON_JOINER, _JOINER = "\u200c", "\u200d"
_VARIATION_SELECTORS = _characters((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_VIRAMA = 9


def trimmed(text: str) -> str:
    """The text without invisible characters at its ends; empty if all are invisible."""
    start, end = 0, len(text)
    while start < end and text[start] in INVISIBLE:
        start += 1
    while end > start and text[end - 1] in INVISIBLE:
        end -= 1
    return text[start:end]


def hides_something(text: str) -> bool:
    """Whether a text of one line has invisible characters that it does not need.

    Needed are spaces between words, joiners within Arabic and Indic words and emoji, and selectors of a variant
    of a Chinese character or an emoji.
    """
    return any(char in INVISIBLE and not _is_needed(text, at) for at, char in enumerate(text))


def _is_needed(text: str, at: int) -> bool:
    char = text[at]
    before = text[at - 1] if at else ""
    after = text[at + 1] if at + 1 < len(text) else ""
    if unicodedata.category(char) == "Zs":
        return True
    if not before:
        return False
    if char in _VARIATION_SELECTORS:
        return _script(before) == "CJK" or unicodedata.category(before) in ("So", "Sm")
    if char in (_JOINER, _NON_JOINER):
        # Source: Unicode Standard Annex 31, section 2.3.1 (contexts A1, A2 and B).
        if unicodedata.combining(before) == _VIRAMA or _script(before) == _script(after) == "ARABIC":
            return True
        return char == _JOINER and (before in _VARIATION_SELECTORS or _is_symbol(before)) and _is_symbol(after)
    return False


def _is_symbol(char: str) -> bool:
    return bool(char) and unicodedata.category(char) in ("So", "Sk", "Sm")


def _script(char: str) -> str:
    """The script of a character: the first word of its Unicode name."""
    return unicodedata.name(char, "").partition(" ")[0] if char else ""
