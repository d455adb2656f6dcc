"""What is stored about a person is given to that person whole, and nothing else with it."""

import io
import zipfile
from typing import Any
from uuid import UUID

import orjson
import pytest
from structlog.testing import capture_logs

from application.application import Application
from models.email_token import EmailToken
from models.letter import Letter
from models.rating import Rating
from models.session import Session
from models.staff_action import StaffAction
from models.trip import Trip
from models.trip_change import TripChange
from models.trip_life import TripStatus
from models.user import User
from models.values import Role
from services.photos.account_photos import PhotosUnavailable
from services.photos.store import StoreUnreachable
from services.staff.personal_data import ACCOUNT, SECTIONS
from services.staff.staff import NoSuchUser, StaffMember
from services.staff.trail import NotStaff
from tests.support.api import PASSWORD
from tests.support.database_rows import add_driver, add_rider, add_trip, set_staff
from tests.support.pictures import picture

# Columns that are not given to the person, and why.
LEFT_OUT = {
    # Forms of the name, a secret, and a file beside it.
    User: {"username_key", "username_skeleton", "password_hash", "photo"},
    # A secret; the id is an internal name of it.
    Session: {"id", "token_hash", "user_id"},
    # For the software alone.
    Letter: {"id", "username_key", "user_id", "due", "attempts"},
    # A secret.
    EmailToken: {"token_hash", "user_id"},
    # For the software alone; secrets of a ride; and other people.
    Trip: {
        *("pick_up_cell", "given_back_by", "idempotency_key", "rider_id", "driver_id"),
        *("pick_up_pin", "wrong_pins", "pin_locked_until"),
    },
    TripChange: {"id", "user_id"},
    Rating: {"id", "author_id", "subject_id"},
    StaffAction: {"id", "staff_id", "staff_username"},
}


def unpacked(data: bytes | None) -> tuple[dict[str, Any], bytes | None]:
    assert data is not None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        photo = archive.read("photo.webp") if "photo.webp" in names else None
        return orjson.loads(archive.read("account.json")), photo


def test_every_column_about_a_person_is_given_or_left_out_on_purpose() -> None:
    given: dict[str, set[str]] = {"users": set(ACCOUNT.columns)}
    for section in SECTIONS.values():
        given.setdefault(section.table, set()).update(section.columns)
    for model, left_out in LEFT_OUT.items():
        columns = set(model._meta.fields_db_projection.values()) | {f"{name}_id" for name in model._meta.fk_fields}
        assert columns == given[model._meta.db_table] | left_out, model
        assert not given[model._meta.db_table] & left_out


async def test_a_person_gets_the_account_the_trips_the_ratings_and_the_photo(application: Application) -> None:
    database, services = application.database, application.services
    user = (
        await services.accounts.sign_up(
            username="dana",
            password1=PASSWORD,
            password2=PASSWORD,
            first_name="Dana",
            last_name="Drive",
            role=Role.DRIVER,
            photo=picture(),
        )
    ).actor
    rider, member = await add_rider(database), await add_rider(database)
    await set_staff(database, member.id)
    trip_id = await add_trip(database, rider, status=TripStatus.IN_PROGRESS, driver=user)
    await add_trip(database, rider, status=TripStatus.EXPIRED)
    await services.trips.update(user, trip_id=trip_id, status=TripStatus.COMPLETED)
    await services.ratings.rate(user, trip_id=trip_id, stars=5, comment="Ready in time.")
    await services.ratings.rate(rider, trip_id=trip_id, stars=4, comment="A clean car.")
    await application.staff.deactivate(StaffMember(member), user_id=user.id)

    data = await application.staff.export_user(StaffMember(member), user_id=user.id)
    given, photo = unpacked(data)
    assert photo is not None
    assert given["photo"] == "photo.webp"
    assert photo[8:12] == b"WEBP"
    assert given["account"]["username"] == "dana"
    assert (given["account"]["rating_sum"], given["account"]["is_active"]) == (4, False)
    assert [trip["id"] for trip in given["trips_as_driver"]] == [str(trip_id)]
    assert given["trips_as_rider"] == []
    assert [change["status"] for change in given["changes_of_trips"]] == ["COMPLETED"]
    assert [rating["comment"] for rating in given["ratings_given"]] == ["Ready in time."]
    assert [rating["comment"] for rating in given["ratings_received"]] == ["A clean car."]
    assert [action["action"] for action in given["actions_of_staff_about_you"]] == ["DEACTIVATE_USER"]
    text = orjson.dumps(given).decode()
    (row,) = await database.fetch("SELECT password_hash FROM users WHERE id = $1", user.id)
    others = (rider.user.username, member.user.username, str(rider.id))
    assert not [secret for secret in (row["password_hash"], *others) if secret in text]
    trail = await database.fetch("SELECT action, user_id, detail FROM staff_actions ORDER BY id DESC LIMIT 1")
    assert (trail[0]["action"], trail[0]["detail"]) == ("EXPORT", "everything about the user")


async def test_a_photo_whose_file_is_missing_is_told_and_not_left_out(application: Application) -> None:
    person, bare = await add_rider(application.database), await add_rider(application.database)
    await application.database.fetch("UPDATE users SET photo = 'gone.webp' WHERE id = $1", person.id)

    with capture_logs() as logs:
        given, photo = unpacked(await application.personal_data.of(person.id))

    assert (given["photo"], photo) == ("missing in the store of photos", None)
    assert [line["user_id"] for line in logs if line["log_level"] == "warning"] == [str(person.id)]
    assert "photo" not in unpacked(await application.personal_data.of(bare.id))[0]


async def test_only_staff_get_it_and_a_failure_is_not_told_as_an_account_without_a_photo(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = application.database
    stranger, member = await add_driver(database), await add_rider(database)
    with pytest.raises(NotStaff):
        await application.staff.export_user(StaffMember(stranger), user_id=member.id)
    await set_staff(database, member.id)
    with pytest.raises(NoSuchUser):
        await application.staff.export_user(StaffMember(member), user_id=UUID(int=1))
    await database.fetch("UPDATE users SET photo = 'away.webp' WHERE id = $1", stranger.id)

    async def away(_: str) -> bytes:
        raise StoreUnreachable("away")

    monkeypatch.setattr(application.photo_store, "get", away)
    with pytest.raises(PhotosUnavailable):
        await application.staff.export_user(StaffMember(member), user_id=stranger.id)
    assert await database.fetch("SELECT id FROM staff_actions") == []
