"""The pages of the admin in words: statuses, times with their zone, dialogues, and what a person's page has."""

import html
import re
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from admin import time_zones, words
from models.staff_action import StaffActionKind
from models.trip_life import CancelCode, TripStatus
from models.values import Approval, Role
from models.webhook import DeliveryStatus
from services.staff.staff import NoSuchSession
from services.staff.trail import CommandLine, StaffTrail
from services.staff.webhooks import EndpointState
from tests.conftest import LiveServer
from tests.support.api import MY_TRIPS, Api
from tests.support.database_rows import add_driver, add_rider, add_trip
from tests.support.staff import StaffBrowser

RAW = re.compile(r">\s*(REQUESTED|STARTED|IN_PROGRESS|COMPLETED|CANCELLED|EXPIRED|RIDER|DRIVER|NO_SHOW)\s*<")


def dialogue(page: str, name: str) -> str:
    """The content of a button's dialogue, as the browser shows it."""
    (form,) = re.findall(rf'data-sa-form="([^"]*)"[^>]*data-sa-name="{name}"', page, re.S)[:1]
    return html.unescape(form)


@pytest.mark.parametrize(
    ("kinds", "badges"),
    [
        (TripStatus, words.STATUS),
        (CancelCode, words.CODE),
        (Approval, words.APPROVAL),
        (Role, words.ROLE),
        (StaffActionKind, words.ACTION),
        (EndpointState, words.ENDPOINT),
        (DeliveryStatus, words.DELIVERY),
    ],
)
def test_every_value_has_words_of_its_own(kinds: Any, badges: Any) -> None:
    assert set(badges) == set(kinds)
    assert len({badge.text for badge in badges.values()}) == len(kinds)


@pytest.mark.parametrize(
    ("age_s", "said"),
    [
        (0, "0 s ago"),
        (89, "89 s ago"),
        (240, "4 min ago"),
        (7200, "2 h ago"),
        (5 * 86400, "5 days ago"),
        (-600, "in 10 min"),
    ],
)
def test_an_age_is_told_in_one_unit(age_s: int, said: str) -> None:
    assert time_zones.age_text(age_s) == said


async def test_pages_have_words_instead_of_codes_and_times_name_their_zone(
    staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    pages = {
        path: (await staff.get(path, **query)).text
        for path, query in (
            ("/trip/list", {}),
            ("/trip/detail", {"pk": trip["id"]}),
            ("/user/list", {}),
            ("/user/detail", {"pk": driver.user["id"]}),
            ("/staff-action/list", {}),
        )
    }
    for path, page in pages.items():
        assert not RAW.search(page), path
        assert re.search(r"\d\d:\d\d:\d\d UTC</span> <span[^>]*>\d+ s ago", page), path
    assert "Driver on the way" in pages["/trip/list"]
    assert f'data-copy-value="{trip["id"]}"' in pages["/trip/list"]
    assert f'<span class="font-monospace">{trip["id"][:8]}</span>' in pages["/trip/list"]
    assert "On a trip" in pages["/user/detail"]

    staff.http.cookies.set("timezone", "Asia/Kathmandu", domain="127.0.0.1", path="/")
    there = (await staff.get("/trip/list")).text
    assert re.search(r"\d\d:\d\d:\d\d UTC\+0545</span>", there)


async def test_a_dialogue_says_which_trip_it_ends_and_what_follows(
    staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    trip = await rider.create_trip(pickUpAddress="<b>Zoo</b>")
    open_page = (await staff.get("/trip/detail", pk=trip["id"])).text
    waiting = dialogue(open_page, "cancel")
    assert "<dd>&lt;b&gt;Zoo&lt;/b&gt;</dd>" in waiting
    assert f"({rider.user['username']})" in waiting
    assert "<dd>Waiting for a driver</dd>" in waiting
    assert "no driver sees the request any more" in waiting

    await driver.update_trip(trip["id"], "STARTED")
    # The list has the same dialogues.
    for page in ((await staff.get("/trip/detail", pk=trip["id"])).text, (await staff.get("/trip/list")).text):
        cancel, complete = dialogue(page, "cancel"), dialogue(page, "complete")
        for shown in (cancel, complete):
            assert f"({driver.user['username']})" in shown
            assert "It cannot be undone." in shown
        assert "the driver gets offers again" in cancel
        assert "may rate each other" in complete


async def test_a_dialogue_about_a_person_says_whom_and_what_follows(staff: StaffBrowser, driver: Api) -> None:
    page = (await staff.get("/user/detail", pk=driver.user["id"])).text
    for name, follows in (
        ("deactivate", "sessions end at once"),
        ("reset-password", "The password stays until they use the link"),
        ("export", "The audit trail says that you downloaded it."),
    ):
        shown = dialogue(page, name)
        assert f"<dd>{driver.user['username']}</dd>" in shown, name
        assert follows in shown, name


@pytest.mark.parametrize("backend", ["embedded", "production"])
async def test_the_page_of_a_person_pages_the_trips_with_a_fixed_number_of_statements(
    live_server: LiveServer, staff: StaffBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = live_server.application.database
    rider, driver = await add_rider(database), await add_driver(database)
    pk = str(driver.id)
    fetch, counted = database.fetch, [0]

    async def count(*args: Any, **options: Any) -> Any:
        # The server's own jobs ask too, in no request.
        counted[0] += any("starlette" in frame.filename for frame in traceback.extract_stack())
        return await fetch(*args, **options)

    monkeypatch.setattr(database, "fetch", count)

    async def statements() -> int:
        counted[0] = 0
        assert (await staff.get("/user/detail", pk=pk)).status_code == 200
        return counted[0]

    empty = await statements()
    ids = [
        await add_trip(database, rider, status=TripStatus.COMPLETED, driver=driver, age_s=age) for age in range(25)
    ]
    assert await statements() == empty
    assert 5 < empty <= 12

    async def shown(page: int) -> list[str]:
        text = (
            (await staff.get("/user/detail", pk=pk, trips=page)).text.split('id="trips"')[1].split("</section>")[0]
        )
        return re.findall(r">Trip ([0-9a-f]{8})<", text)

    short = [str(trip_id)[:8] for trip_id in ids]
    assert [await shown(page) for page in (1, 2, 3, 4)] == [short[:10], short[10:20], short[20:], []]


async def test_staff_end_one_session_of_a_person_and_then_all(
    live_server: LiveServer, staff: StaffBrowser, rider: Api
) -> None:
    database, user_id = live_server.application.database, rider.user["id"]
    sessions = live_server.application.services.sessions
    user = (await add_rider(database)).user
    one, other = await sessions.begin(user), await sessions.begin(user)
    async with rider.socket() as socket:
        await (await socket.start(MY_TRIPS)).next()
        page = (await staff.get("/user/detail", pk=user_id)).text
        (session_id,) = re.findall(r'name="session" value="([0-9a-f-]{36})"', html.unescape(page))
        # A session of somebody else is not found under this person.
        foreign = await staff.row_action("user", "end-sessions", user_id, session=str(one.actor.session_id))
        assert (foreign.status_code, foreign.json()) == (400, {"msg": NoSuchSession.message})
        assert (await staff.row_action("user", "end-sessions", user_id, session=session_id)).status_code == 200
        assert (await socket.closed()).code == 4401
    again = await staff.row_action("user", "end-sessions", user_id, session=session_id)
    assert (again.status_code, again.json()) == (400, {"msg": NoSuchSession.message})
    assert await sessions.actor_of(other.token) is not None
    assert (await staff.row_action("user", "end-sessions", str(user.id))).status_code == 200
    assert [await sessions.actor_of(session.token) for session in (one, other)] == [None, None]
    rows = await database.fetch("SELECT action, detail FROM staff_actions WHERE action <> 'LOG_IN' ORDER BY id")
    assert [(row["action"], row["detail"]) for row in rows] == [
        ("END_SESSIONS", f"session {session_id[:8]}"),
        ("END_SESSIONS", "all 3 sessions"),
    ]
    assert len(await staff.rows("staff-action", filter="action__in=END_SESSIONS")) == 2
    assert await staff.rows("staff-action", filter="action__in=DEACTIVATE_USER") == []
    trail = (await staff.get("/staff-action/list")).text
    assert trail.count(">Ended sessions</span>") == 2
    assert "Deactivated a user</span>" not in trail


async def test_the_trail_shows_what_was_done_on_the_command_line_without_a_link(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    database = live_server.application.database
    rider = await add_rider(database)
    trail = StaffTrail(live_server.application.services.sessions)
    await trail.record(database, CommandLine("ops"), StaffActionKind.EXPORT, user_id=rider.id)
    (newest, _) = await staff.rows("staff-action")
    assert await staff.rows("staff-action", q="command line") == [newest]
    page = (await staff.get("/staff-action/list")).text
    assert '<span class="text-nowrap">ops (command line)</span>' in page
    assert f"/admin/user/detail?pk={rider.id}" in page
    assert "ops (command line)" in (await staff.get("/user/detail", pk=str(rider.id))).text


async def test_trips_are_found_by_plate_and_filtered_by_code(live_server: LiveServer, staff: StaffBrowser) -> None:
    database = live_server.application.database
    rider, driver = await add_rider(database), await add_driver(database)
    first = await add_trip(database, rider, status=TripStatus.COMPLETED, driver=driver)
    second = await add_trip(database, rider, status=TripStatus.CANCELLED, driver=driver)
    vehicle = '{"make":"a","model":"b","color":"c","license_plate":"1AB 2345","seats":4}'
    await database.fetch("UPDATE trips SET vehicle = $2 WHERE id = $1", first, vehicle)
    await database.fetch("UPDATE trips SET cancel_code = $2 WHERE id = $1", second, CancelCode.NO_SHOW)
    assert await staff.rows("trip", q="1ab 2") == [str(first)]
    assert await staff.rows("trip", filter="cancel_code__in=NO_SHOW") == [str(second)]
    assert "Nothing is found." in (await staff.get("/trip/list", q="nothing")).text


async def test_a_page_that_does_not_exist_says_so_in_words(staff: StaffBrowser) -> None:
    for path in ("/trip/detail?pk=nothing", "/nothing"):
        answer = await staff.get(path)
        assert answer.status_code == 404
        assert "There is no such page, or what it was about is gone." in answer.text
        assert "Oops" not in answer.text


def test_a_time_is_in_the_zone_of_the_reader_and_in_utc_for_machines() -> None:
    moment = time_zones.moment(datetime.now(UTC) - timedelta(minutes=4))
    assert moment.age == "4 min ago"
    assert moment.iso.endswith("+00:00")
    assert words.short_id(UUID(int=1)) == "00000000"
