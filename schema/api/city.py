"""The city for staff: the subscription that follows it, and its figures."""

from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry

from models import city as values
from models.city import CityOutage
from models.standing import Availability
from schema.api.cancel_code import CancelCode
from schema.api.context import Info
from schema.api.enums import describe
from schema.api.feed_stream import follow
from schema.api.geo_point import GeoPoint, to_geo_point
from schema.api.long_list import LONG, long_list
from schema.api.trip_status import TripStatus
from services.live import messages
from services.live.city_feed import CityFeed
from services.runtime.fair_queue import FairQueue
from services.staff import city_figures as figures
from services.staff.city_figures import CityPeriod

describe(
    CityOutage,
    "Why the picture of the city is not whole.",
    {
        "DATABASE": "The database does not answer. What is shown is what was last known.",
        "POSITIONS": "This server does not learn of the positions that other servers receive. Their drivers are "
        "shown where they were last seen.",
    },
)

describe(
    CityPeriod,
    "A period of figures, until now. It begins with a whole part.",
    {
        "HOUR": "The last hour, in parts of five minutes.",
        "DAY": "The last 24 hours, in parts of a quarter of an hour.",
        "WEEK": "The last seven days, in parts of an hour.",
    },
)


@strawberry.type(description="A person of the city, as staff see them.")
class CityPerson:
    id: strawberry.ID = strawberry.field(description="The id of the user.")
    username: str = strawberry.field(description="The name for logging in; empty if the account was deleted.")
    first_name: str = strawberry.field(description="The given name.")
    last_name: str = strawberry.field(description="The family name.")


@strawberry.type(
    description="A driver whose position is known. Drivers who go off duty disappear, and so do those who have "
    "reported nothing for long, by default for ten minutes."
)
class CityDriver:
    id: strawberry.ID = strawberry.field(description="The id of the driver.")
    username: str = strawberry.field(description="The name for logging in; empty if the account was deleted.")
    first_name: str = strawberry.field(description="The given name.")
    last_name: str = strawberry.field(description="The family name.")
    point: GeoPoint = strawberry.field(description="The last position.")
    heading: float | None = strawberry.field(
        description="The direction of the car, in degrees clockwise from north; null if it was not reported."
    )
    recorded_at: datetime = strawberry.field(
        description="When the position was measured. Its age is the time from then to `at` of the message."
    )
    is_stale: bool = strawberry.field(
        description="Whether the driver has been silent for a while, by default for a minute."
    )
    availability: Availability = strawberry.field(
        description="AVAILABLE or ON_TRIP. Nobody who is OFF_DUTY is shown."
    )
    trip_id: strawberry.ID | None = strawberry.field(description="The driver's trip under way.")


@strawberry.type(description="A trip that waits for a driver or is under way, as staff see it.")
class CityTrip:
    id: strawberry.ID = strawberry.field(description="The id of the trip.")
    version: int = strawberry.field(description="Counts the changes of the trip.")
    status: TripStatus = strawberry.field(description="REQUESTED, STARTED or IN_PROGRESS.")
    created: datetime = strawberry.field(description="When the trip was requested.")
    updated: datetime = strawberry.field(description="When the trip last changed.")
    pick_up_address: str = strawberry.field(description="Where the rider waits.")
    drop_off_address: str = strawberry.field(description="Where the rider wants to go.")
    pick_up: GeoPoint | None = strawberry.field(description="The position of the pick-up, if it was given.")
    drop_off: GeoPoint | None = strawberry.field(description="The position of the drop-off, if it was given.")
    expires_at: datetime | None = strawberry.field(description="When the request expires, while it waits.")
    arrived_at: datetime | None = strawberry.field(description="When the driver reported arrival.")
    rider: CityPerson = strawberry.field(description="The rider.")
    driver: CityPerson | None = strawberry.field(description="The driver, once one has accepted.")


@strawberry.type(description="Counts of the city now. They include what `truncated` leaves out.")
class CityCounts:
    open: int = strawberry.field(description="Trips that wait for a driver; 10000 also stands for more.")
    under_way: int = strawberry.field(
        description="Trips under way, each with one driver; 10000 also stands for more."
    )
    available: int = strawberry.field(
        description="Drivers on duty without a trip who are not silent, of those who are shown."
    )
    silent: int = strawberry.field(description="Drivers who are shown and whose position is stale.")


@strawberry.type(description="The whole city. It replaces all that the client had.")
class CitySnapshot:
    at: datetime = strawberry.field(description="The server's time.")
    drivers: list[CityDriver] = strawberry.field(
        description="Drivers on duty and drivers on trips; at most 5000, and those on trips.", metadata=LONG
    )
    trips: list[CityTrip] = strawberry.field(
        description="Trips that wait for a driver or are under way; the 5000 newest.", metadata=LONG
    )
    counts: CityCounts = strawberry.field(description="The counts.")
    truncated: bool = strawberry.field(description="Whether there are more drivers or trips than listed.")
    outages: list[CityOutage] = strawberry.field(description="Why the picture is not whole; empty if it is.")


@strawberry.type(
    description="What has changed in the city since the message before. It comes once a second, even if nothing "
    "has changed."
)
class CityChange:
    at: datetime = strawberry.field(description="The server's time.")
    drivers: list[CityDriver] = strawberry.field(
        description="Drivers who are new, or have changed or moved.", metadata=LONG
    )
    removed_driver_ids: list[strawberry.ID] = strawberry.field(
        description="Drivers who are not shown any more.", metadata=LONG
    )
    trips: list[CityTrip] = strawberry.field(description="Trips that are new or have changed.", metadata=LONG)
    removed_trip_ids: list[strawberry.ID] = strawberry.field(description="Trips that have ended.", metadata=LONG)
    counts: CityCounts = strawberry.field(description="The counts.")
    truncated: bool = strawberry.field(description="Whether there are more drivers or trips than are shown.")
    outages: list[CityOutage] = strawberry.field(description="Why the picture is not whole; empty if it is.")


CityEvent = Annotated[
    CitySnapshot | CityChange,
    strawberry.union("CityEvent", description="The messages of `city`: first the snapshot."),
]


@strawberry.type(description="How many trips were cancelled with one code.")
class CancelCount:
    code: CancelCode | None = strawberry.field(description="The code; null: without one.")
    count: int = strawberry.field(description="How many trips.")


@strawberry.type(description="How long requests waited for a driver: from the request to the first acceptance.")
class TimeToAccept:
    p50_s: float = strawberry.field(description="Half of them waited at most so many seconds.")
    p99_s: float = strawberry.field(description="99 of 100 waited at most so many seconds.")


@strawberry.type(description="What became of the trips that were requested in a period.")
class CityFigure:
    start: datetime = strawberry.field(description="The beginning of the period.")
    requested: int = strawberry.field(description="How many trips were requested.")
    accepted: int = strawberry.field(description="How many of them a driver accepted, whatever came later.")
    completed: int = strawberry.field(description="How many of them are completed.")
    expired: int = strawberry.field(description="How many of them found no driver in time.")
    cancelled: list[CancelCount] = strawberry.field(description="How many of them were cancelled, by code.")
    time_to_accept: TimeToAccept | None = strawberry.field(
        description="How long those that were accepted waited; null if there are none."
    )


@strawberry.type(description="Figures of the city.")
class CityFigures:
    period: CityPeriod = strawberry.field(description="The period.")
    as_of: datetime = strawberry.field(
        description="When they were computed: at most half a minute ago; for DAY one minute, for WEEK five."
    )
    total: CityFigure = strawberry.field(description="The whole period.")
    part_s: int = strawberry.field(description="The length of a part in seconds.")
    parts: list[CityFigure] = strawberry.field(
        description="The parts of the period without a gap, the oldest first. The last one is not over."
    )
    truncated: bool = strawberry.field(
        description="Whether there were more trips than the 100000 newest, which are counted. The figures then "
        "begin later."
    )
    drivers_off_duty: int | None = strawberry.field(
        description="How many drivers are off duty; null on servers with more than 50000 accounts."
    )


@strawberry.subscription(
    description="The city: every driver on duty, every open request and every trip under way. Ends with FORBIDDEN "
    "when the caller is no member of staff any more. For staff."
)
async def city(info: Info) -> AsyncGenerator[CityEvent, None]:
    actor, services = info.context.staff, info.context.services
    await services.staff_rights.check(actor)
    to_event = partial(_to_event, turns=services.city.turns)
    return await follow(CityFeed(actor, services.topics, services.city), to_event, info)


@strawberry.field(description="Figures of the trips that were requested lately. For staff.")
async def city_figures(
    info: Info, period: Annotated[CityPeriod, strawberry.argument(description="The period.")]
) -> CityFigures:
    await info.context.services.staff_rights.check(info.context.staff)
    found = await info.context.services.city_statistics.of(period)
    return CityFigures(
        period=period,
        as_of=found.as_of,
        total=_to_figure(found.total),
        part_s=found.part_s,
        parts=[_to_figure(part) for part in found.parts],
        truncated=found.is_cut,
        drivers_off_duty=found.drivers_off_duty,
    )


def _to_event(content: messages.CitySnapshot | messages.CityChange, *, turns: FairQueue) -> CityEvent:
    drivers = long_list(content.drivers, _to_driver, turns)
    trips = long_list(content.trips, _to_trip, turns)
    now = content.counts
    counts = CityCounts(open=now.open, under_way=now.under_way, available=now.available, silent=now.silent)
    outages = sorted(content.outages)
    if isinstance(content, messages.CitySnapshot):
        return CitySnapshot(
            at=content.at, drivers=drivers, trips=trips, counts=counts, truncated=content.is_cut, outages=outages
        )
    return CityChange(
        at=content.at,
        drivers=drivers,
        removed_driver_ids=long_list(content.gone_drivers, _to_id, turns),
        trips=trips,
        removed_trip_ids=long_list(content.gone_trips, _to_id, turns),
        counts=counts,
        truncated=content.is_cut,
        outages=outages,
    )


def _to_id(an_id: UUID) -> strawberry.ID:
    return strawberry.ID(str(an_id))


def _to_driver(driver: values.CityDriver) -> CityDriver:
    person, location = driver.person, driver.location
    return CityDriver(
        id=_to_id(person.id),
        username=person.username,
        first_name=person.first_name,
        last_name=person.last_name,
        point=to_geo_point(location.point),
        heading=location.heading,
        recorded_at=location.recorded_at,
        is_stale=driver.is_stale,
        availability=driver.availability,
        trip_id=_to_id(driver.trip_id) if driver.trip_id is not None else None,
    )


def _to_trip(trip: values.CityTrip) -> CityTrip:
    return CityTrip(
        id=_to_id(trip.id),
        version=trip.version,
        status=trip.status,
        created=trip.created,
        updated=trip.updated,
        pick_up_address=trip.pick_up_address,
        drop_off_address=trip.drop_off_address,
        pick_up=to_geo_point(trip.pick_up) if trip.pick_up is not None else None,
        drop_off=to_geo_point(trip.drop_off) if trip.drop_off is not None else None,
        expires_at=trip.expires_at,
        arrived_at=trip.arrived_at,
        rider=_to_person(trip.rider),
        driver=_to_person(trip.driver) if trip.driver is not None else None,
    )


def _to_person(person: values.CityPerson) -> CityPerson:
    return CityPerson(
        id=_to_id(person.id), username=person.username, first_name=person.first_name, last_name=person.last_name
    )


def _to_figure(figure: figures.CityFigure) -> CityFigure:
    waited = figure.time_to_accept
    return CityFigure(
        start=figure.start,
        requested=figure.requested,
        accepted=figure.accepted,
        completed=figure.completed,
        expired=figure.expired,
        cancelled=[CancelCount(code=code, count=count) for code, count in figure.cancelled.most_common()],
        time_to_accept=TimeToAccept(p50_s=waited.p50_s, p99_s=waited.p99_s) if waited is not None else None,
    )
