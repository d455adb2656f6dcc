"""What Apollo's Router sends when it subscribes at a subgraph, as its documentation says."""

from tests.conftest import LiveServer, SignUp
from tests.federation.test_gateway import token_of
from tests.support.api import MY_TRIPS, open_socket


async def test_the_token_of_the_handshake_is_enough_whatever_connection_init_has(
    live_server: LiveServer, person: SignUp
) -> None:
    rider = await person("RIDER")
    trip = await rider.create_trip()
    authorization = f"Bearer {await token_of(rider)}"
    async with open_socket(live_server.url, headers={"Authorization": authorization}) as socket:
        await socket.init({"connectionParams": {"token": authorization}})
        snapshot = await (await socket.start(MY_TRIPS)).next()
    assert [each["id"] for each in snapshot["trips"]] == [trip["id"]]
