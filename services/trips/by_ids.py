"""Reading many trips and users by their ids at once."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from models.values import TripValue, UserValue
from models.visibility import Actor, may_see
from services.accounts.users import share_a_trip, user_of
from services.database.connections import Database
from services.database.dialects import uuid
from services.runtime.data_loader import DataLoader
from services.trips import rows as trip_rows

# A user, and who asks for them.
_Asked = tuple[UUID, UUID]


class ByIds:
    """What a caller may see of a list of ids, which need not exist.

    Trips take one statement and users another, together for all calls of one turn of the event loop.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._trips = DataLoader(self._find_trips)
        self._users = DataLoader(self._find_users)

    async def trips(self, actor: Actor, ids: Collection[UUID]) -> Mapping[UUID, TripValue]:
        """The trips that the caller may see, as ``Trips.find`` says."""
        found = await asyncio.gather(*map(self._trips.get, ids))
        return {trip.id: trip for trip in found if trip is not None and may_see(actor, trip)}

    async def users(self, actor: Actor, ids: Collection[UUID]) -> Mapping[UUID, UserValue]:
        """The caller, and the other parties of the caller's trips, as ``Accounts.find`` says."""
        others = [(user_id, actor.id) for user_id in ids if user_id != actor.id]
        found = await asyncio.gather(*map(self._users.get, others))
        users = {user.id: user for user in found if user is not None}
        return {**users, actor.id: actor.user} if actor.id in ids else users

    async def _find_trips(self, ids: Sequence[UUID]) -> Mapping[UUID, TripValue]:
        found = await trip_rows.find_all(self._database, ids)
        return {trip.id: trip for trip in found.trips}

    async def _find_users(self, asked: Sequence[_Asked]) -> Mapping[_Asked, UserValue]:
        pairs = self._database.sql.lists({"user_id": "uuid", "viewer_id": "uuid"})
        rows = await self._database.fetch(
            "SELECT u.id, u.username, u.first_name, u.last_name, u.role, u.photo, asked.viewer_id "
            f"FROM {pairs} asked JOIN users u ON u.id = asked.user_id "
            f"WHERE {share_a_trip('asked.user_id', 'asked.viewer_id')}",
            [user_id for user_id, _ in asked],
            [viewer_id for _, viewer_id in asked],
        )
        return {(uuid(row["id"]), uuid(row["viewer_id"])): user_of(row) for row in rows}
