"""Queries by hash, as Apollo Client and urql send them; and the list that a code generator writes."""

from pathlib import Path

import pytest

from application.settings import Settings
from tests.clients.conftest import FOLDER
from tests.clients.script import running
from tests.conftest import LiveServer, serving

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)

# How each library sends a query by hash, and how it sends it again with its text.
METHODS = {"apollo-post": ("POST", "POST"), "apollo-get": ("GET", "POST"), "urql": ("GET", "GET")}
NOBODY = {"answer": {"me": None}}


async def test_a_library_sends_a_query_once_and_then_its_hash(scripts: Path, live_server: LiveServer) -> None:
    async with running("node", scripts / "persisted.js", live_server.url, "automatic") as script:
        await script.finish()
    for who, (by_hash, by_text) in METHODS.items():
        assert script.all(who, "answer") == [NOBODY, NOBODY]
        sent = [(request["method"], request["hasQuery"]) for request in script.all(who, "request")]
        assert sent == [(by_hash, False), (by_text, True), (by_hash, False)]


async def test_a_server_with_the_generators_list_runs_only_the_listed_operations(
    scripts: Path, settings: Settings
) -> None:
    listed = settings.model_copy(update={"trusted_documents": FOLDER / "generated" / "persisted-documents.json"})
    async with (
        serving(listed) as server,
        running("node", scripts / "persisted.js", server.url, "listed") as script,
    ):
        await script.finish()
    for who, (by_hash, _) in METHODS.items():
        assert script.all(who, "answer") == [NOBODY, NOBODY]
        assert script.all(who, "unlisted") == [{"answer": "PERSISTED_QUERY_NOT_IN_LIST"}]
        assert [(request["method"], request["hasQuery"]) for request in script.all(who, "request")] == [
            (by_hash, False)
        ] * 3
