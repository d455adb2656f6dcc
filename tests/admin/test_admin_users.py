"""Users in the admin: find, add, deactivate."""

import csv
import io
import json
import zipfile

import pytest

from application.paths import ROOT
from tests.conftest import LiveServer, SignUp
from tests.support.api import LOG_IN, MY_TRIPS, PASSWORD, Api
from tests.support.database_rows import add_rider
from tests.support.staff import StaffBrowser, path_of

SCRIPT = "<script>alert(1)</script>"
NEW = {
    "username": "nora@example.com",
    "password": PASSWORD,
    "first_name": "Nora",
    "last_name": "New",
    "role": "DRIVER",
}


async def trail(server: LiveServer) -> list[tuple[str, str, str]]:
    """The actions in the trail, with the user and the detail; without log-ins."""
    rows = await server.application.database.fetch(
        "SELECT action, user_id, detail FROM staff_actions WHERE action <> 'LOG_IN' ORDER BY id"
    )
    return [(row["action"], str(row["user_id"]), row["detail"]) for row in rows]


async def test_a_user_is_added_with_the_rules_of_a_sign_up(live_server: LiveServer, staff: StaffBrowser) -> None:
    wrong = await staff.form("/user/create", {**NEW, "username": "STELLA", "password": "password1"})
    assert wrong.status_code == 422
    assert "This user name is taken, or looks like one that is." in wrong.text
    assert "easy to guess" in wrong.text
    assert await trail(live_server) == []

    added = await staff.form("/user/create", NEW)
    assert path_of(added) == "/admin/user/list"
    (user_id,) = await staff.rows("user", q="nora")
    assert await trail(live_server) == [("ADD_USER", user_id, "")]
    async with Api(live_server.url) as api:
        payload = await api.data(LOG_IN, username="nora@example.com", password=PASSWORD)
        assert payload["user"]["role"] == "DRIVER"
    detail = (await staff.get("/user/detail", pk=user_id)).text
    assert "Nora" in detail
    assert PASSWORD not in detail


async def test_the_photo_of_an_added_user_is_checked_like_any_other(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    wrong = await staff.form("/user/create", NEW, files={"photo": ("me.png", b"no picture", "image/png")})
    assert wrong.status_code == 422
    assert "must be a complete JPEG, PNG or WebP image" in wrong.text
    picture = (ROOT / "docs" / "images" / "rider.jpg").read_bytes()
    assert (await staff.form("/user/create", NEW, files={"photo": ("me.jpg", picture)})).status_code == 303
    (user_id,) = await staff.rows("user", q="nora")
    assert 'src="/media/' in (await staff.get("/user/detail", pk=user_id)).text


async def test_a_deactivated_user_has_no_access_anywhere_until_reactivated(
    live_server: LiveServer, staff: StaffBrowser, rider: Api
) -> None:
    user_id = rider.user["id"]
    async with rider.socket() as socket:
        await (await socket.start(MY_TRIPS)).next()
        assert (await staff.row_action("user", "deactivate", user_id)).status_code == 200
        assert (await socket.closed()).code == 4401
    assert await rider.data("{ me { id } }") is None
    name = rider.user["username"]
    refused = await rider.data(LOG_IN, username=name, password=PASSWORD)
    assert [error["code"] for error in refused["errors"]] == ["BAD_CREDENTIALS"]
    again = await staff.row_action("user", "deactivate", user_id)
    assert (again.status_code, again.json()) == (400, {"msg": "Forbidden"})

    assert (await staff.row_action("user", "reactivate", user_id)).status_code == 200
    assert (await rider.data(LOG_IN, username=name, password=PASSWORD))["errors"] == []
    assert [kind for kind, *_ in await trail(live_server)] == ["DEACTIVATE_USER", "REACTIVATE_USER"]


async def test_staff_cannot_deactivate_themselves(live_server: LiveServer, staff: StaffBrowser) -> None:
    (own,) = await staff.rows("user", q="stella")
    refused = await staff.row_action("user", "deactivate", own)
    assert refused.json() == {"msg": "You cannot deactivate yourself."}
    for pk in ("0b3c11a4-6f5e-4d3b-8f5b-2f4a7c1d9e11", "x"):
        assert (await staff.row_action("user", "deactivate", pk)).json() == {"msg": "There is no such user."}
    assert await trail(live_server) == []


async def test_staff_can_change_nothing_else_of_a_user(staff: StaffBrowser, rider: Api) -> None:
    for path in ("edit", "import"):
        assert (await staff.get(f"/user/{path}", pk=rider.user["id"])).status_code in (403, 404)
    assert (await staff.form(f"/user/edit?pk={rider.user['id']}", NEW)).status_code == 403
    deleted = await staff.row_action("user", "delete", rider.user["id"])
    assert deleted.json() == {"msg": "Forbidden"}
    for name in ("delete", "nothing"):
        batch = await staff.form(f"/_api/user/action?name={name}&pks={rider.user['id']}", {})
        assert batch.status_code == 400
    assert (await staff.form("/_api/user/import", {"format": "csv"})).status_code in (403, 404)
    assert (await rider.data("{ me { firstName } }"))["firstName"] == "Rider"


@pytest.mark.parametrize("backend", ["embedded", "production"])
async def test_users_are_searched_filtered_sorted_and_paged(
    live_server: LiveServer, staff: StaffBrowser, person: SignUp
) -> None:
    await person("RIDER", username="Zoë@example.com", firstName="Zoë", lastName="Alpha")
    await person("DRIVER", username="yuri@example.com", firstName="Yuri", lastName="Beta")
    (zoe,), (yuri,) = await staff.rows("user", q="ZOË"), await staff.rows("user", q="yuri@")
    (stella,) = await staff.rows("user", q="stella")
    assert await staff.rows("user") == [yuri, zoe, stella]
    assert await staff.rows("user", q=zoe) == [zoe]
    assert await staff.rows("user", q="beta") == [yuri]
    assert await staff.rows("user", q="100%") == []
    assert await staff.rows("user", filter="role__in=DRIVER") == [yuri]
    assert await staff.rows("user", filter="role__in=DRIVER OR is_staff__is_true") == [yuri, stella]
    assert await staff.rows("user", filter="is_active__is_false") == []
    assert await staff.rows("user", filter="first_name__contains=ur") == [yuri]
    assert await staff.rows("user", filter="created__between=2001-01-01T00:00..2002-01-01T00:00") == []
    assert await staff.rows("user", sort="last_name__asc") == [zoe, yuri, stella]
    for _ in range(25):
        await add_rider(live_server.application.database)
    first, second = await staff.rows("user"), await staff.rows("user", page=2)
    assert (len(first), second) == (25, [yuri, zoe, stella])
    assert len(await staff.rows("user", page_size=50)) == 28


async def test_a_name_that_is_a_script_is_shown_as_text(staff: StaffBrowser, person: SignUp) -> None:
    evil = await person("RIDER", firstName=SCRIPT, lastName='"><img src=x onerror=alert(1)>')
    trip = await evil.create_trip(pickUpAddress=SCRIPT, dropOffAddress=f"'{SCRIPT}")
    pages = [
        await staff.get("/user/list"),
        await staff.get("/user/detail", pk=evil.user["id"]),
        await staff.get("/trip/list"),
        await staff.get("/trip/list", q=SCRIPT),
        await staff.get("/trip/detail", pk=trip["id"]),
        await staff.form("/user/create", {**NEW, "username": SCRIPT, "first_name": SCRIPT, "password": "x"}),
        await staff.log_in(f'">{SCRIPT}'),
    ]
    for page in pages:
        assert SCRIPT not in page.text, page.url
        assert "<img src=x" not in page.text, page.url
    assert "&lt;script&gt;" in pages[0].text
    (found,) = (await staff.get("/_api/user/relation-lookup", q=evil.user["username"])).json()["items"]
    assert "<script" not in found["_meta"]["select2"]["result"] + found["_meta"]["select2"]["selection"]


async def test_an_export_has_no_formulas_and_is_recorded_in_the_trail(
    live_server: LiveServer, staff: StaffBrowser, person: SignUp
) -> None:
    await person("RIDER", username="=cmd@example.com", firstName="=1+1", lastName="\uff20SUM(A1)")
    await person("DRIVER")
    exported = await staff.export("user", filter="role__in=RIDER", sort="created__asc")
    assert exported.status_code == 200, exported.headers
    assert "attachment" in exported.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert [row["First name"] for row in rows] == ["Staff", "'=1+1"]
    assert rows[1]["User name"] == "'=cmd@example.com"
    assert rows[1]["Last name"] == "'\uff20SUM(A1)"
    assert "Password" not in rows[0]
    assert [row["Role"] for row in rows] == ["", "RIDER"]
    ((kind, _, detail),) = await trail(live_server)
    assert kind == "EXPORT"
    assert "2 × user" in detail
    assert "role" in detail


async def test_an_export_that_cannot_be_recorded_is_refused(
    live_server: LiveServer, staff: StaffBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = live_server.application.database
    member = live_server.application.staff.member

    async def demoted_meanwhile(token: str) -> object:
        found = await member(token)
        await database.fetch("UPDATE users SET is_staff = $1", False)
        return found

    await staff.get("/user/list")
    token = staff.http.cookies["starlette_admin_csrftoken"]
    monkeypatch.setattr(live_server.application.staff, "member", demoted_meanwhile)
    refused = await staff.http.post(
        "/admin/_api/user/action",
        params={"name": "export", "all": "1"},
        data={"scope": "all", "format": "csv", "csrftoken": token},
    )
    assert refused.status_code == 303
    assert await trail(live_server) == []


async def test_everything_about_a_user_is_downloaded_and_the_trail_says_so(
    live_server: LiveServer, staff: StaffBrowser
) -> None:
    actor = await add_rider(live_server.application.database)
    answer = await staff.row_action("user", "export", str(actor.id))
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="user-{actor.id}.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert json.loads(archive.read("account.json"))["account"]["id"] == str(actor.id)
    assert await trail(live_server) == [("EXPORT", str(actor.id), "everything about the user")]
    unknown = await staff.row_action("user", "export", "nonsense")
    assert (unknown.status_code, unknown.json()) == (400, {"msg": "There is no such user."})
