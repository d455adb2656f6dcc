"""A gql client makes a trip."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gql import FileVar, GraphQLRequest
from setup.taxirank_gql import follow, over_http
from trip import RETRY_WAIT_S, Data, take_a_trip

TEXT = (Path(__file__).parent / "ariadne" / "operations.graphql").read_text()
FRAGMENT, *_ = re.split(r"\n\n(?=mutation|query|subscription)", TEXT)
OPERATIONS = {
    match[2]: match[0] for match in re.finditer(r"^(mutation|query|subscription) (\w+).*?^}", TEXT, re.M | re.S)
}


def operation(name: str, /, **variables: Any) -> GraphQLRequest:
    text = OPERATIONS[name]
    return GraphQLRequest(text + FRAGMENT * ("...TripFields" in text), variable_values=variables)


class GqlClient:
    def __init__(self, server: str) -> None:
        self.server = server
        self.token: str | None = None

    async def execute(self, name: str, /, **variables: Any) -> Any:
        async with over_http(self.server, self.token) as session:
            (value,) = (await session.execute(operation(name, **variables))).values()
        return value

    async def sign_up(self, fields: Data, photo: Path | None) -> Data:
        if photo is None:
            return await self.execute("SignUp", input=fields)
        request = operation("SignUp", input={**fields, "photo": FileVar(str(photo), content_type="image/jpeg")})
        async with over_http(self.server) as session:
            return (await session.execute(request, upload_files=True))["signUp"]

    async def log_in(self, username: str, password: str) -> Data:
        payload = await self.execute("LogIn", username=username, password=password, issueToken=True)
        self.token = payload["token"]
        return payload

    async def log_out(self) -> Data:
        return await self.execute("LogOut")

    async def me(self) -> Data:
        return await self.execute("WhoAmI")

    async def request_trip(self, fields: Data) -> Data:
        return await self.execute("RequestTrip", input=fields)

    async def move_trip(self, fields: Data) -> Data:
        return await self.execute("MoveTrip", input=fields)

    async def report_arrival(self, trip_id: str) -> Data:
        return await self.execute("ReportArrival", tripId=trip_id)

    async def rate_trip(self, trip_id: str, stars: int) -> Data:
        return await self.execute("RateTrip", tripId=trip_id, stars=stars)

    async def list_trips(self, variables: Data) -> list[str]:
        ids: list[str] = []
        after = None
        while True:
            page = await self.execute("MyTrips", **variables, after=after)
            ids += [trip["id"] for trip in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return ids

    def driver_pool(self) -> AsyncIterator[Data]:
        return self._follow("DriverPool")

    def my_trips(self) -> AsyncIterator[Data]:
        return self._follow("WatchMyTrips")

    def trip(self, trip_id: str) -> AsyncIterator[Data]:
        return self._follow("WatchTrip", id=trip_id)

    def _follow(self, name: str, /, **variables: Any) -> AsyncIterator[Data]:
        assert self.token is not None
        return follow(self.server, self.token, operation(name, **variables), wait_s=RETRY_WAIT_S)


asyncio.run(take_a_trip(GqlClient))
