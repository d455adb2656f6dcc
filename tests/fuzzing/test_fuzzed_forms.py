"""A valid multipart sign-up with a photo, damaged at random."""

import io
import json
import os
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.fuzzing.fuzzed import Fuzzed, assert_no_growth, fuzz
from tests.support.api import PASSWORD, SIGN_UP

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.attack("fuzzing"),
    # Warnings about damaged metadata.
    pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning"),
]

FORM = "multipart/form-data; boundary=b"
# Words that a parser of forms, JSON, paths or photos may search for.
TOKENS = [
    *(b"\r\n", b"\n", b"\r", b"--b", b"--b--", b"\r\n--b\r\n", b"--", b'"', b";", b":", b"=", b"{", b"[", b"\\"),
    *(b"name", b"filename=", b"filename*=utf-8''%ff", b"Content-Type: ", b"Content-Transfer-Encoding: 8bit\r\n"),
    *(b"variables.", b"input", b".photo", b".0", b"null", b"9" * 20, b"\x00", b"\xff", b"\xff\xd8", b"\xff\xda"),
    *(b"IDAT", b"x" * 5_000, b"a: b\r\n" * 20),
]


def _photo(format: str) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((24, 16), 80).convert("RGB").save(file, format, exif=exif)
    return file.getvalue()


PHOTOS = [_photo(format) for format in ("JPEG", "PNG", "WEBP")]


PATHS = st.sampled_from(
    [
        *(
            "variables.input.photo",
            "variables.list.0",
            "variables.list.1",
            "variables.list.-1",
            "variables.list.²",
        ),
        *("variables.list." + "9" * 5_000, "variables.list.x", "variables.number.0", "variables.input.photo.x"),
        *("variables.input", "variables", "variables.", "variables..", "", "query", "0", "variables.__class__"),
    ]
)
RIGHT_MAP = {"0": ["variables.input.photo"]}
MAPS = PATHS.map(lambda path: {"0": [path]}) | st.dictionaries(
    st.sampled_from(["0", "0", "1", "map"]), st.lists(PATHS, max_size=3) | PATHS | st.none(), max_size=2
)


def form(number: int, photo: bytes, file_map: dict[str, Any]) -> bytes:
    """The form of a sign-up that would succeed, with the right map."""
    account: dict[str, Any] = {
        "username": f"form{number}@example.com",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "firstName": "F",
        "lastName": "Z",
        "role": "DRIVER",
        "photo": None,
    }
    operations = json.dumps({"query": SIGN_UP, "variables": {"input": account}}).encode()
    return (
        b'--b\r\nContent-Disposition: form-data; name="operations"\r\n\r\n' + operations + b"\r\n"
        b'--b\r\nContent-Disposition: form-data; name="map"\r\n\r\n' + json.dumps(file_map).encode() + b"\r\n"
        b'--b\r\nContent-Disposition: form-data; name="0"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        + photo + b"\r\n--b--\r\n"
    )  # fmt: skip


NUMBERS = st.integers(0, 99_999)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A form with some bytes changed, removed, repeated or added."""
    body = form(draw(NUMBERS), draw(st.sampled_from(PHOTOS)), RIGHT_MAP)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        until = at + draw(st.sampled_from([0, 1, 2, 8, 64, 512]))
        other = draw(st.just(b"") | st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(body[at:until] * 2))
        body = body[:at] + other + body[until:]
    return body


@st.composite
def with_damaged_photo(draw: st.DrawFn) -> bytes:
    """A form with a photo in which some bytes are changed."""
    photo = bytearray(draw(st.sampled_from(PHOTOS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(2, len(photo) - 1))
        photo[at : at + draw(st.sampled_from([1, 4]))] = draw(st.binary(max_size=4))
    return form(draw(NUMBERS), bytes(photo), RIGHT_MAP)


CONTENT_TYPES = st.sampled_from(
    [*([FORM] * 8), 'multipart/form-data; boundary="b"; charset=utf-16', "multipart/form-data; boundary=c"]
)


@fuzz(80)
@given(
    damaged() | with_damaged_photo() | st.builds(form, NUMBERS, st.sampled_from(PHOTOS), MAPS),
    CONTENT_TYPES,
)
async def test_no_form_makes_the_server_fail(target: Fuzzed, body: bytes, content_type: str) -> None:
    media = target.server.application.settings.media_url
    photos = len(os.listdir(media))
    with target.unharmed():
        response = await target.post("NOBODY", body, content_type)
    assert response.status_code in (200, 400, 415 if "utf-16" in content_type else 400)
    # A photo is stored exactly if an account has it.
    user = ((response.json().get("data") or {}).get("signUp") or {}).get("user")
    assert len(os.listdir(media)) - photos == (user is not None and user["photo"] is not None)


async def test_forms_leave_nothing_in_memory(target: Fuzzed) -> None:
    bodies: list[bytes] = []

    @fuzz(5)
    @given(damaged() | with_damaged_photo())
    def collect(body: bytes) -> None:
        bodies.append(body)

    collect()
    await assert_no_growth(*(partial(target.post, "NOBODY", body, FORM) for body in bodies[:200]))
