"""The pages that the links in letters lead to."""

import base64
import hashlib
import re

import httpx
import pytest
from starlette.applications import Starlette

from gateway.recovery_pages import FORGOT_DOCUMENT, RESET_DOCUMENT, VERIFY_DOCUMENT, recovery_routes
from schema.build import build_schema


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("path", ["/forgot-password", "/reset-password", "/verify-email"])
async def test_a_page_of_a_link_runs_only_its_own_script_and_tells_nobody_its_address(path: str) -> None:
    transport = httpx.ASGITransport(Starlette(routes=[*recovery_routes()]))
    async with httpx.AsyncClient(transport=transport, base_url="http://taxirank.test", verify=False) as http:
        page = await http.get(path)
    assert page.status_code == 200
    assert page.headers["Referrer-Policy"] == "no-referrer"
    policy = page.headers["Content-Security-Policy"]
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    # Out of the address bar and the history before anything else.
    assert page.text.index("history.replaceState") < page.text.index("fetch(")
    assert "src=" not in page.text


@pytest.mark.parametrize("document", [FORGOT_DOCUMENT, RESET_DOCUMENT, VERIFY_DOCUMENT])
async def test_the_operations_of_the_pages_are_valid(document: str) -> None:
    variables = {"username": "x", "token": "x", "password1": "a", "password2": "a"}
    result = await build_schema().execute(document, variable_values=variables)
    # Without a context nothing runs; an invalid operation would say so first.
    assert result.errors is not None
    assert all(error.path is not None for error in result.errors)
