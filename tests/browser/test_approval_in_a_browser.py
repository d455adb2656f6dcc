"""The queue of drivers who wait for approval, as staff use it."""

import pytest
from playwright.async_api import expect

from application.application import Application
from application.paths import ROOT
from application.settings import Settings
from models.values import Role, VehicleValue
from tests.browser.conftest import OpenAdmin
from tests.conftest import LiveServer
from tests.support.api import PASSWORD
from tests.support.staff import make_staff

pytestmark = [
    # The pages cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"driver_approval": True})


async def sign_up(application: Application, name: str, *, photo: str | None, vehicle: VehicleValue | None) -> None:
    await application.services.accounts.sign_up(
        username=name.lower(),
        password1=PASSWORD,
        password2=PASSWORD,
        first_name=name,
        last_name="Example",
        role=Role.DRIVER,
        photo=(ROOT / "docs" / "images" / photo).read_bytes() if photo is not None else None,
        vehicle=vehicle,
    )


async def test_staff_approve_refuse_and_revoke_drivers_and_axe_finds_no_serious_fault(
    admin: OpenAdmin, live_server: LiveServer
) -> None:
    application = live_server.application
    await make_staff(application, "stella")
    octavia = VehicleValue("Skoda", "Octavia", "white", "1AB 2345", 4)
    await sign_up(application, "Dana", photo="rider.jpg", vehicle=octavia)
    await sign_up(application, "Dirk", photo=None, vehicle=None)
    staff = await admin()
    await staff.log_in("stella")
    await staff.choose("Waiting drivers")
    for scheme in ("dark", "light"):
        await staff.page.emulate_media(color_scheme=scheme)
        await expect(staff.page.locator("html")).to_have_attribute("data-bs-theme", scheme)
        await staff.picture(f"admin-waiting-drivers-{scheme}")
        assert await staff.faults(of_colors=scheme == "dark") == [], scheme

    await expect(staff.row("Dana")).to_contain_text("white Skoda Octavia, 1AB 2345, 4 seats")
    await expect(staff.row("Dana").get_by_role("img", name="Photo of Dana Example")).to_be_visible()
    await staff.row("Dana").get_by_role("link", name="Approve driver").click()
    await staff.dialogue.get_by_role("button", name="Approve").click()
    await expect(staff.page.get_by_text("The driver was approved")).to_be_visible()
    await expect(staff.row("Dana")).to_have_count(0)

    await staff.row("Dirk").get_by_role("link", name="Refuse driver").click()
    await staff.dialogue.get_by_label("Reason, for the driver").fill("Add a photo.")
    await staff.picture("admin-refuse-driver")
    await staff.dialogue.get_by_role("button", name="Refuse").click()
    await expect(staff.row("Dirk")).to_have_count(0)

    await staff.choose("Users")
    await expect(staff.row("dirk")).to_contain_text("Refused")
    await staff.press(staff.row("dana"), "View")
    await staff.shows("Dana Example")
    await staff.picture("admin-driver")
    assert await staff.faults() == []
    await staff.page.get_by_text("Revoke approval").click()
    await staff.dialogue.get_by_label("Reason, for the driver").fill("Complaints.")
    await staff.dialogue.get_by_role("button", name="Revoke").click()
    await expect(staff.page.get_by_text("The approval was revoked.")).to_be_visible()
