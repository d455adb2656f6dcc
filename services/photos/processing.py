"""Makes one small, clean WebP file of each uploaded photo.

Only the pixels of an upload reach a reader. They are decoded, turned upright, scaled down, and encoded again. So
no metadata (the coordinates of a home), no appended archive and no script remains.
"""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor

from PIL import ExifTags, Image, ImageCms

from services.errors import ErrorCode, UserFault
from services.photos.structure import OddStructure, check_structure

_ACCEPTED_FORMATS = ("JPEG", "PNG", "WEBP")
_LONGEST_SIDE_PX = 1024
# One format for all: every current browser and phone shows it, it keeps transparency, and it is the smallest that
# Pillow writes fast.
_FORMAT = "WEBP"
_WEBP_QUALITY = 80

# How to undo each value of the EXIF orientation; 1 is upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PhotoInvalid(UserFault):
    """The bytes are not a JPEG, PNG or WebP image, or it is damaged."""

    code = ErrorCode.PHOTO_INVALID


class PhotoTooLarge(UserFault):
    """The photo has too many bytes, or would have too many pixels after decoding."""

    code = ErrorCode.PHOTO_TOO_LARGE


class PhotoProcessor:
    """Checks uploads and encodes them again. Until then they are hostile.

    At most ``concurrency`` of them are decoded at the same time, in threads. So the event loop never waits for
    one, and the memory is bounded: decoding takes up to 21 bytes per pixel (measured: WebP with transparency 21,
    PNG 5 to 13, JPEG 2 to 7).
    """

    def __init__(self, *, max_bytes: int, max_pixels: int, concurrency: int = 2) -> None:
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        # A pool, not a semaphore: the thread of a cancelled caller continues, and must still count.
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="photos")

    async def process(self, data: bytes) -> bytes:
        """Make a WebP file of an upload.

        Only the content decides the format. The result is upright, in sRGB, at most 1024 px on its longest side,
        and without metadata; transparency stays, and of an animation the first frame.

        Raises:
            PhotoTooLarge: more than ``max_bytes``, or a header that declares more than ``max_pixels``.
            PhotoInvalid: not a JPEG, PNG or WebP image, or one that cannot be decoded to its end.
        """
        if len(data) > self._max_bytes:
            raise PhotoTooLarge(f"A photo may have at most {self._max_bytes:,} bytes.", field=("photo",))
        return await asyncio.get_running_loop().run_in_executor(self._threads, _clean, data, self._max_pixels)


def _clean(data: bytes, max_pixels: int) -> bytes:
    """Encode the pixels of an upload again; takes up to a second, so call it in a thread.

    Raises:
        PhotoTooLarge, PhotoInvalid: see ``PhotoProcessor.process``.
    """
    try:
        image = _decode(data, max_pixels)
    except UserFault:
        raise
    except OddStructure as error:
        raise PhotoInvalid(str(error), field=("photo",)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    # Pillow does not document its exceptions: damaged files raise OSError, SyntaxError, ValueError, struct.error,
    # EOFError and more. Only the upload decides what happens here, so any exception is its fault.
    except Exception as error:
        raise PhotoInvalid("The photo must be a complete JPEG, PNG or WebP image.", field=("photo",)) from error
    # From raw pixels, because an image of Pillow keeps other content of its file.
    pixels = Image.frombytes(image.mode, image.size, image.tobytes())
    encoded = io.BytesIO()
    pixels.save(encoded, _FORMAT, quality=_WEBP_QUALITY)
    return encoded.getvalue()


def _decode(data: bytes, max_pixels: int) -> Image.Image:
    """Return the upright image in RGB or RGBA, at most 1024 px on its longest side."""
    check_structure(data)
    file = Image.open(io.BytesIO(data), formats=_ACCEPTED_FORMATS)
    # Only the header has been read so far.
    if file.width * file.height > max_pixels:
        raise _too_many_pixels(max_pixels)
    # A JPEG can be decoded to a half, a quarter or an eighth of its size, which saves most of the memory.
    file.draft(None, (2 * _LONGEST_SIDE_PX, 2 * _LONGEST_SIDE_PX))
    # Before anything else reads the file: reading the orientation of a PNG decodes it, and an error that is
    # swallowed there makes the next decoding succeed with half a picture.
    file.load()
    orientation = _orientation(file)
    image = _with_eight_bits(file)
    # This also releases the memory of its decoder: for a WebP two more copies of the image.
    del file
    image.thumbnail((_LONGEST_SIDE_PX, _LONGEST_SIDE_PX), Image.Resampling.LANCZOS)
    image = _in_srgb(image)
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _too_many_pixels(max_pixels: int) -> PhotoTooLarge:
    return PhotoTooLarge(f"A photo may have at most {max_pixels:,} pixels.", field=("photo",))


def _orientation(file: Image.Image) -> int:
    try:
        return file.getexif().get(ExifTags.Base.Orientation, 1)
    # Cameras write broken EXIF blocks, for which Pillow documents no exception. Every viewer shows such a photo
    # without turning it, and so does this code.
    except Exception:
        return 1


def _with_eight_bits(file: Image.Image) -> Image.Image:
    """Return the image in L, RGB, RGBA or CMYK: modes that can be scaled well and that colour profiles support."""
    if file.mode == "I;16":
        # The high byte of each sample; Pillow's own conversion clips, which leaves a white area.
        return Image.frombytes("L", file.size, file.tobytes()[1::2])
    if file.has_transparency_data:
        return file.convert("RGBA")
    return file if file.mode in ("L", "RGB", "CMYK") else file.convert("RGB")


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB or RGBA, converted by its colour profile, which is dropped."""
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    icc: bytes | None = image.info.get("icc_profile")
    if not icc:
        return image.convert(target)
    srgb = ImageCms.createProfile("sRGB")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    try:
        seen = ImageCms.profileToProfile(image, io.BytesIO(icc), srgb, outputMode=target)  # pyright: ignore[reportUnknownArgumentType]
    # The profile is unreadable, or for other modes than the image's (grey for RGB): ignore it, as browsers do.
    except (OSError, ImageCms.PyCMSError):
        seen = None
    return image.convert(target) if seen is None else seen
