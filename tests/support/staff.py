"""A member of staff with a browser: the admin's pages over HTTP."""

import re
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from application.application import Application
from tests.support.api import PASSWORD
from tests.support.waiting import PATIENCE_S


class StaffBrowser:
    """Keeps cookies and sends forms as a browser does, from one of the server's own pages."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.AsyncClient(
            base_url=url,
            timeout=PATIENCE_S,
            verify=False,
            headers={"Origin": url, "Sec-Fetch-Site": "same-origin"},
        )
        self.name = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def get(self, path: str, **query: Any) -> httpx.Response:
        """A page."""
        return await self.http.get(f"/admin{path}", params=query or None)

    async def form(self, path: str, fields: dict[str, Any], **options: Any) -> httpx.Response:
        """Send a form with the token of the previous page."""
        await self.get("/login" if path == "/login" else "/trip/list")
        token = self.http.cookies["starlette_admin_csrftoken"]
        return await self.http.post(f"/admin{path}", data={**fields, "csrftoken": token}, **options)

    async def log_in(self, username: str, password: str = PASSWORD) -> httpx.Response:
        """Send the log-in form."""
        return await self.form("/login", {"username": username, "password": password})

    async def row_action(self, view: str, name: str, pk: str, **fields: Any) -> httpx.Response:
        """Press a button of a row, as the library's script does."""
        return await self.form(f"/_api/{view}/row-action?name={name}&pk={pk}", fields)

    async def export(self, view: str, **query: Any) -> httpx.Response:
        """The CSV file of all rows of the list."""
        address = httpx.URL(f"/_api/{view}/action").copy_merge_params(
            {"name": "export", "all": "1", "_list_query": f"?{httpx.QueryParams(query)}"}
        )
        return await self.form(str(address), {"scope": "all", "format": "csv"})

    async def rows(self, view: str, **query: Any) -> list[str]:
        """The ids of a list's rows, in order."""
        page = await self.get(f"/{view}/list", **query)
        assert page.status_code == 200, page.text
        return re.findall(r'<tr data-sa-pk="([^"]+)"', page.text)


async def make_staff(application: Application, name: str) -> str:
    """A member of staff with the usual password; the user name."""
    await application.services.accounts.create_staff(username=name, password=PASSWORD)
    return name


def path_of(response: httpx.Response) -> str:
    """The target of a redirect on this server."""
    return urlsplit(response.headers["location"]).path
