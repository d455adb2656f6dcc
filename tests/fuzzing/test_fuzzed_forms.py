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
    # Of damaged metadata.
    pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning"),
]

FORM = "multipart/form-data; boundary=b"
# What a parser of forms, JSON, paths or photos may look for.
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


def form(number: int, photo: bytes) -> bytes:
    """The form of a sign-up that would succeed."""
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
        b'--b\r\nContent-Disposition: form-data; name="map"\r\n\r\n{"0": ["variables.input.photo"]}\r\n'
        b'--b\r\nContent-Disposition: form-data; name="0"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        + photo + b"\r\n--b--\r\n"
    )  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A form, with some of its bytes changed, removed, repeated or added."""
    body = form(draw(st.integers(0, 99_999)), draw(st.sampled_from(PHOTOS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body)))
        until = at + draw(st.sampled_from([0, 1, 2, 8, 64, 512]))
        other = draw(st.just(b"") | st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(body[at:until] * 2))
        body = body[:at] + other + body[until:]
    return body


CONTENT_TYPES = st.sampled_from(
    [*([FORM] * 8), 'multipart/form-data; boundary="b"; charset=utf-16', "multipart/form-data; boundary=c"]
)


@fuzz(60)
@given(damaged(), CONTENT_TYPES)
async def test_no_form_is_a_failure_of_ours(target: Fuzzed, body: bytes, content_type: str) -> None:
    media = target.server.application.settings.media_url
    photos = len(os.listdir(media))
    with target.unharmed():
        response = await target.post("NOBODY", body, content_type)
    assert response.status_code in (200, 400)
    # A photo is stored exactly where an account has it.
    user = ((response.json().get("data") or {}).get("signUp") or {}).get("user")
    assert len(os.listdir(media)) - photos == (user is not None and user["photo"] is not None)


async def test_forms_leave_nothing_in_memory(target: Fuzzed) -> None:
    bodies: list[bytes] = []

    @fuzz(5)
    @given(damaged())
    def collect(body: bytes) -> None:
        bodies.append(body)

    collect()
    await assert_no_growth(*(partial(target.post, "NOBODY", body, FORM) for body in bodies[:200]))
