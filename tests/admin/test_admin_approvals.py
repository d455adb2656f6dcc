"""Approval of drivers in the admin: the queue, the decisions, and what the list of users shows."""

import csv
import io
import re
from uuid import UUID

import pytest

from application.application import Application
from application.settings import Settings
from models.values import Role, VehicleValue
from models.visibility import Actor
from tests.conftest import LiveServer
from tests.support.api import PASSWORD, Api, open_socket
from tests.support.database_rows import add_driver, add_rider, add_trip
from tests.support.pictures import picture
from tests.support.staff import StaffBrowser

OCTAVIA = VehicleValue("Škoda", "<b>Octavia</b>", "white", "1AB_2345", 4)
POOL = "subscription { driverPool { ... on PoolSnapshot { paused } } }"
SIGHT = "query ($id: ID!) { trips { nodes { id } } trip(id: $id) { id } node(id: $id) { id } }"
ME = "{ me { approval approvalReason vehicle { licensePlate } } }"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"driver_approval": True})


async def sign_up(application: Application, name: str, *, photo: bool = False) -> tuple[Actor, str]:
    session = await application.services.accounts.sign_up(
        username=name,
        password1=PASSWORD,
        password2=PASSWORD,
        first_name=name.title(),
        last_name="Example",
        role=Role.DRIVER,
        photo=picture() if photo else None,
        vehicle=OCTAVIA if photo else None,
    )
    return session.actor, session.token


async def trail(server: LiveServer) -> list[tuple[str, str, str]]:
    rows = await server.application.database.fetch(
        "SELECT action, user_id, detail FROM staff_actions WHERE action <> 'LOG_IN' ORDER BY id"
    )
    return [(row["action"], str(row["user_id"]), row["detail"]) for row in rows]


@pytest.mark.parametrize("backend", ["embedded", "production"])
async def test_the_queue_shows_who_waits_with_photo_and_vehicle_and_the_longest_waiting_first(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    application = live_server.application
    await add_driver(application.database)
    dana, _ = await sign_up(application, "dana", photo=True)
    dirk, _ = await sign_up(application, "dirk")
    gone, _ = await sign_up(application, "gone")
    await application.database.fetch("UPDATE users SET is_active = $2 WHERE id = $1", gone.id, False)
    assert await staff.rows("waiting-driver") == [str(dana.id), str(dirk.id)]
    for search in ("dan", "1ab_", str(dana.id)):
        assert await staff.rows("waiting-driver", q=search) == [str(dana.id)], search
    page = (await staff.get("/waiting-driver/list")).text
    assert re.search(r">Waiting drivers</span> <span[^>]*>2</span>", page)
    assert 'alt="Photo of Dana Example"' in page
    assert "white Škoda &lt;b&gt;Octavia&lt;/b&gt;, 1AB_2345, 4 seats" in page
    assert f"/admin/user/detail?pk={dana.id}" in page
    # Row by row: the page of the user has everything else.
    assert (await staff.get("/waiting-driver/detail", pk=str(dana.id))).status_code == 403

    assert (await staff.row_action("waiting-driver", "approve", str(dana.id))).status_code == 200
    refused = await staff.row_action("waiting-driver", "refuse", str(dirk.id), reason="No photo.")
    assert refused.status_code == 200
    assert await staff.rows("waiting-driver") == []
    assert ">Waiting drivers</span>\n" in (await staff.get("/trip/list")).text
    assert await trail(live_server) == [
        ("APPROVE_DRIVER", str(dana.id), ""),
        ("REFUSE_DRIVER", str(dirk.id), "No photo."),
    ]


async def test_a_driver_hears_of_each_decision_over_the_socket(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    driver, token = await sign_up(live_server.application, "dana")
    pk = str(driver.id)
    async with (
        Api(live_server.url) as api,
        open_socket(live_server.url, headers={"Authorization": f"Bearer {token}"}) as socket,
    ):
        api.http.headers["Authorization"] = f"Bearer {token}"
        await socket.init()
        pool = await socket.start(POOL)

        async def told() -> tuple[str | None, str | None, str | None]:
            paused = (await pool.next())["paused"]
            me = await api.data(ME)
            return paused, me["approval"], me["approvalReason"]

        assert await told() == ("NOT_APPROVED", "WAITING", None)
        await staff.row_action("user", "refuse", pk, reason="No photo.")
        assert await told() == ("NOT_APPROVED", "REFUSED", "No photo.")
        await staff.row_action("user", "approve", pk)
        assert await told() == (None, "APPROVED", None)
        await staff.row_action("user", "revoke", pk, reason="Complaints.")
        assert await told() == ("NOT_APPROVED", "REFUSED", "Complaints.")


@pytest.mark.attack("access")
async def test_a_socket_from_before_the_revocation_shows_no_open_trip_after_it(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    database = live_server.application.database
    driver, trip_id = await add_driver(database), await add_trip(database, await add_rider(database))
    session = await live_server.application.services.sessions.begin(driver.user)
    async with open_socket(live_server.url, headers={"Authorization": f"Bearer {session.token}"}) as socket:
        await socket.init()

        async def shown() -> list[object]:
            asked = await socket.start(SIGHT, id=str(trip_id))
            data = (await asked.message())["payload"]["data"]
            await asked.message()
            return [data["trips"]["nodes"], data["trip"], data["node"]]

        seen = {"id": str(trip_id)}
        assert await shown() == [[seen], seen, seen]
        followed = await socket.start("subscription ($id: ID!) { tripUpdated(id: $id) { id } }", id=str(trip_id))
        await followed.message()
        await staff.row_action("user", "revoke", str(driver.id), reason="Complaints.")
        (ended,) = (await followed.message())["payload"]["errors"]
        assert ended["extensions"]["code"] == "NOT_FOUND"
        assert await shown() == [[], None, None]
        accept = await socket.start(
            "mutation ($id: ID!) { updateTrip(input: { id: $id, status: STARTED }) { errors { code } } }",
            id=str(trip_id),
        )
        answer = (await accept.message())["payload"]["data"]["updateTrip"]
        assert answer == {"errors": [{"code": "DRIVER_NOT_APPROVED"}]}


async def test_the_list_of_users_shows_filters_and_exports_the_approval_and_the_vehicle(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    application = live_server.application
    rider, approved = await add_rider(application.database), await add_driver(application.database)
    dana, _ = await sign_up(application, "dana", photo=True)
    ids = {str(dana.id): "WAITING", str(approved.id): "APPROVED"}
    for pk, approval in ids.items():
        assert await staff.rows("user", filter=f"approval__in={approval}") == [pk]
    assert await staff.rows("user", q="1ab_2") == [str(dana.id)]
    await staff.row_action("user", "refuse", str(dana.id), reason="<b>No</b> licence")
    detail = (await staff.get("/user/detail", pk=str(dana.id))).text
    assert "&lt;b&gt;No&lt;/b&gt; licence" in detail
    assert "1AB_2345" in detail
    rows = list(csv.DictReader(io.StringIO((await staff.export("user")).text)))
    by_name = {row["User name"]: row for row in rows}
    assert (by_name["dana"]["Approval"], by_name["dana"]["Reason"]) == ("REFUSED", "<b>No</b> licence")
    assert by_name[rider.user.username]["Approval"] == ""


async def test_only_decisions_that_change_something_are_offered(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    application = live_server.application
    rider, approved = await add_rider(application.database), await add_driver(application.database)
    waiting, _ = await sign_up(application, "dana")
    offered = {rider.id: set(), approved.id: {"revoke"}, waiting.id: {"approve", "refuse"}}
    for user_id, names in offered.items():
        page = (await staff.get("/user/detail", pk=str(user_id))).text
        assert {name for name in ("approve", "refuse", "revoke") if f'data-sa-name="{name}"' in page} == names
    for name in ("approve", "refuse", "revoke"):
        answer = await staff.row_action("user", name, str(rider.id), reason="x")
        assert (answer.status_code, answer.json()) == (400, {"msg": "Forbidden"})
    nobody = await staff.row_action("user", "approve", str(UUID(int=1)))
    assert (nobody.status_code, nobody.json()) == (400, {"msg": "There is no such user."})
    without = await staff.row_action("user", "refuse", str(waiting.id), reason=" ")
    assert (without.status_code, without.json()) == (400, {"msg": "Give a reason: the driver sees it."})
    assert await trail(live_server) == []


async def test_the_page_of_a_trip_shows_its_vehicle(live_server: LiveServer, staff: StaffBrowser) -> None:
    database = live_server.application.database
    trip_id = await add_trip(database, await add_rider(database))
    await database.fetch("UPDATE trips SET vehicle = $2 WHERE id = $1", trip_id, OCTAVIA.to_json())
    assert "1AB_2345, 4 seats" in (await staff.get("/trip/detail", pk=str(trip_id))).text


class TestWithoutTheSetting:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"driver_approval": False})

    async def test_there_is_no_queue_and_no_decision(self, live_server: LiveServer, staff: StaffBrowser) -> None:
        driver = await add_driver(live_server.application.database)
        assert (await staff.get("/waiting-driver/list")).status_code == 404
        assert "Waiting drivers" not in (await staff.get("/user/list")).text
        assert 'data-sa-name="revoke"' not in (await staff.get("/user/detail", pk=str(driver.id))).text
        answer = await staff.row_action("user", "revoke", str(driver.id), reason="x")
        assert answer.status_code == 400
        assert await trail(live_server) == []
