"""The demonstration data of ``server.py seed-demo``: users and trips."""

from models.geo import GeoPoint
from models.trip_life import TripStatus
from models.values import Role, TripValue, VehicleValue
from models.visibility import Actor
from services.accounts.accounts import Accounts, UsernameTaken
from services.errors import UserFaults
from services.trips.commands import Trips

PASSWORD = "correct-horse-battery-9"  # noqa: S105 - printed by the command
_RIDERS = (("rosa", "Rosa", "Alvarez"), ("ravi", "Ravi", "Menon"))
_DRIVERS = (
    ("dana", "Dana", "Okafor", VehicleValue("Toyota", "Prius", "white", "TX-12-34", 4)),
    ("dirk", "Dirk", "Janssen", VehicleValue("Skoda", "Octavia", "blue", "TX-56-78", 4)),
)
_STATION, _HARBOUR, _AIRPORT = GeoPoint(52.3791, 4.9003), GeoPoint(52.4002, 4.9012), GeoPoint(52.3105, 4.7683)


async def seed(accounts: Accounts, trips: Trips) -> list[str]:
    """Create two riders and two drivers with trips; returns the lines to print. Does nothing the second time."""
    try:
        riders = [(await _sign_up(accounts, name, first, last, Role.RIDER)) for name, first, last in _RIDERS]
        drivers = [
            (await _sign_up(accounts, name, first, last, Role.DRIVER, vehicle))
            for name, first, last, vehicle in _DRIVERS
        ]
    except UserFaults as faults:
        if not all(isinstance(fault, UsernameTaken) for fault in faults.faults):
            raise
        return ["The demo data already exists."]
    rosa, ravi = riders
    dana, dirk = drivers

    async def request(rider: Actor, pick_up: str, drop_off: str, at: GeoPoint, to: GeoPoint) -> TripValue:
        return await trips.request(
            rider, pick_up_address=pick_up, drop_off_address=drop_off, pick_up=at, drop_off=to
        )

    done = await request(rosa, "Central Station", "Airport", _STATION, _AIRPORT)
    for status in (TripStatus.STARTED, TripStatus.IN_PROGRESS, TripStatus.COMPLETED):
        await trips.update(dana, trip_id=done.id, status=status)
    under_way = await request(rosa, "Harbour 4", "Central Station", _HARBOUR, _STATION)
    await trips.update(dirk, trip_id=under_way.id, status=TripStatus.STARTED)
    called_off = await request(ravi, "Airport", "Harbour 4", _AIRPORT, _HARBOUR)
    await trips.update(ravi, trip_id=called_off.id, status=TripStatus.CANCELLED, reason="Found a tram")
    await request(ravi, "Central Station", "Harbour 4", _STATION, _HARBOUR)
    names = ", ".join(name for name, *_ in (*_RIDERS, *_DRIVERS))
    return [f"Log in as {names} with the password {PASSWORD}"]


async def _sign_up(
    accounts: Accounts, username: str, first: str, last: str, role: Role, vehicle: VehicleValue | None = None
) -> Actor:
    session = await accounts.sign_up(
        username=username,
        password1=PASSWORD,
        password2=PASSWORD,
        first_name=first,
        last_name=last,
        role=role,
        vehicle=vehicle,
    )
    return session.actor
