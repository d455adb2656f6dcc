"""Photos, and sign-ups with a photo."""

import io
import json
from typing import Any

from PIL import Image

from tests.support.api import PASSWORD, SIGN_UP, Api

ACCOUNT = {
    "username": "rosa",
    "password1": PASSWORD,
    "password2": PASSWORD,
    "firstName": "Rosa",
    "lastName": "Alvarez",
    "role": "RIDER",
}


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, "PNG")
    return data.getvalue()


async def sign_up_with_photo(api: Api, photo: bytes, **changes: Any) -> dict[str, Any]:
    """Sign up as the multipart request specification says; the payload."""
    operations = {"query": SIGN_UP, "variables": {"input": ACCOUNT | changes | {"photo": None}}}
    response = await api.http.post(
        "/graphql",
        data={"operations": json.dumps(operations), "map": '{"0": ["variables.input.photo"]}'},
        files={"0": ("me.png", photo, "image/png")},
        headers={"GraphQL-Require-Preflight": "1"},
    )
    return response.json()["data"]["signUp"]
