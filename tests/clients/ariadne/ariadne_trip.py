"""A client that ariadne-codegen has generated takes a trip."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from taxirank_client import CreateTripInput, SignUpInput, UpdateTripInput, Upload
from taxirank_live import connect, follow
from trip import RETRY_WAIT_S, Data, take_a_trip


def plain(model: Any) -> Any:
    """The value with the names of the schema."""
    return model.model_dump(mode="json", by_alias=True)


class AriadneClient:
    def __init__(self, server: str) -> None:
        self.server = server
        self.client = connect(server)

    async def sign_up(self, fields: Data, photo: Path | None) -> Data:
        if photo is None:
            return plain((await self.client.sign_up(SignUpInput(**fields))).sign_up)
        with photo.open("rb") as content:
            file = Upload(filename="me.jpg", content=content, content_type="image/jpeg")
            return plain((await self.client.sign_up(SignUpInput(**fields, photo=file))).sign_up)

    async def log_in(self, username: str, password: str) -> Data:
        payload = (await self.client.log_in(username=username, password=password, issue_token=True)).log_in
        self.client = connect(self.server, payload.token)
        return plain(payload)

    async def log_out(self) -> Data:
        return plain((await self.client.log_out()).log_out)

    async def me(self) -> Data:
        return plain((await self.client.who_am_i()).me)

    async def request_trip(self, fields: Data) -> Data:
        return plain((await self.client.request_trip(CreateTripInput(**fields))).create_trip)

    async def move_trip(self, fields: Data) -> Data:
        return plain((await self.client.move_trip(UpdateTripInput(**fields))).update_trip)

    async def list_trips(self, variables: Data) -> list[str]:
        ids: list[str] = []
        after = None
        while True:
            page = (await self.client.my_trips(**variables, after=after)).trips
            ids += [trip.id for trip in page.nodes]
            after = page.page_info.end_cursor
            if not page.page_info.has_next_page:
                return ids

    def driver_pool(self) -> AsyncIterator[Data]:
        return self._follow(self.client.driver_pool)

    def my_trips(self) -> AsyncIterator[Data]:
        return self._follow(self.client.watch_my_trips)

    def trip(self, trip_id: str) -> AsyncIterator[Data]:
        return self._follow(lambda: self.client.watch_trip(trip_id))

    async def _follow(self, subscribe: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Data]:
        async for event in follow(subscribe, wait_s=RETRY_WAIT_S):
            yield plain(event)


asyncio.run(take_a_trip(AriadneClient))
