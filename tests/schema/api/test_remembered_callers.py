"""The session of an operation that checks it itself is not read as well."""

from tests.conftest import LiveServer
from tests.services.trips.test_trips_pages import statements
from tests.support.api import LOG_OUT, TRIPS, UPDATE_TRIP, Api


def reads_of_sessions(seen: list[str]) -> list[str]:
    return [sql for sql in seen if "token_hash" in sql]


async def test_changes_and_pages_of_trips_read_the_session_once_a_minute_and_not_at_all_over_a_socket(
    live_server: LiveServer, rider: Api, driver: Api
) -> None:
    application = live_server.application
    await application.periodic_jobs.stop()
    with statements() as seen:
        trip = await rider.create_trip()
        await rider.update_trip(trip["id"], "CANCELLED")
        trip = await rider.create_trip()
        assert len((await rider.data(TRIPS))["nodes"]) == 2
    assert len(reads_of_sessions(seen)) == 1
    async with driver.socket() as socket:
        with statements() as seen:
            input = {"id": trip["id"], "status": "STARTED"}
            payload = await (await socket.start(UPDATE_TRIP, input=input)).next()
            assert payload["errors"] == []
            assert len((await (await socket.start(TRIPS)).next())["nodes"]) == 1
        assert reads_of_sessions(seen) == []
    # No event about the end arrives.
    await application.live_sessions.stop()
    await application.outbox.stop()
    headers = rider.cookie_header()
    await rider.data(LOG_OUT)
    rider.http.cookies.clear()
    change = {"query": UPDATE_TRIP, "variables": {"input": {"id": trip["id"], "status": "CANCELLED"}}}
    for body in (change, {"query": TRIPS}):
        response = await rider.http.post("/graphql", json=body, headers=headers)
        assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
