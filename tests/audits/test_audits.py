"""The audit suites of the protocols, run by Node: every audit must be ok, whatever its level."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.conftest import LiveServer, SignUp
from tests.support.api import LOG_IN, PASSWORD

pytestmark = [
    pytest.mark.attack("protocol"),
    # The first test may have to install the packages.
    pytest.mark.timeout(600),
]

# The minimum number of audits: with fewer the suite has not run.
SUITES = {"graphql-http": 61, "graphql-transport-ws": 137, "graphql-sse": 15}


@pytest.fixture
def settings(settings):
    """Two seconds for `connection_init`, because one audit waits for them. Audits often break the protocol."""
    off = dict.fromkeys(("socket_message_rate", "socket_offence_rate", "subscribe_rate"), "off")
    return settings.model_copy(update={"connection_init_timeout_s": 2.0, "max_sockets_per_user": 6, **off})


@pytest.mark.parametrize("suite", SUITES)
async def test_every_audit_is_ok(suite: str, audits: Path, live_server: LiveServer, person: SignUp) -> None:
    rider = await person("RIDER")
    logged_in = await rider.data(LOG_IN, username=rider.user["username"], password=PASSWORD, issueToken=True)
    process = await asyncio.create_subprocess_exec(
        *("node", "run.mjs", suite, f"{live_server.url}/graphql", logged_in["token"]),
        cwd=audits,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    results = [json.loads(line) for line in output.splitlines()]

    for result in results:
        if result["status"] != "ok":
            print(result, file=sys.stderr)
    assert [result["name"] for result in results if result["status"] != "ok"] == []
    assert process.returncode == 0
    assert len({result["id"] for result in results}) == len(results) >= SUITES[suite]
    assert await rider.data("{ __typename }") == "Query"
