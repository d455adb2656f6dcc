"""A forgotten password, from the board to the letter and back."""

import pytest
from playwright.async_api import expect

from tests.browser.board_page import PASSWORD
from tests.browser.conftest import OpenBoard
from tests.conftest import LiveServer
from tests.support.letters import sent, token_of

pytestmark = [
    # The pages cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]
NEW_PASSWORD = "seven-purple-kettles-4"


async def test_a_forgotten_password_is_replaced_with_the_link_of_a_letter(
    board: OpenBoard, live_server: LiveServer
) -> None:
    url = live_server.url
    person = await board()
    await person.rider.fill_sign_up("Robin")
    await person.rider.root.get_by_label("E-mail").fill("robin@mail.example")
    await person.rider.press("Sign up")
    await person.rider.is_live("Robin")
    (confirming,) = await sent(live_server.application)
    assert confirming["To"] == "robin@mail.example"
    page = await person.page.context.new_page()
    status = page.get_by_role("status")
    await page.goto(f"{url}/verify-email#{token_of(confirming)}")
    assert page.url == f"{url}/verify-email"
    await page.get_by_role("button", name="Confirm the address").click()
    await expect(status).to_have_text("Your e-mail address is confirmed.")

    # The address changes, and the new one is confirmed too.
    account = person.page.get_by_role("dialog", name="Your account")
    form = account.get_by_role("form", name="E-mail address")
    address, password = form.get_by_label("E-mail address"), form.get_by_label("Your password")
    await person.rider.press("Account")
    await expect(address).to_have_value("robin@mail.example")
    await expect(form).to_contain_text("Confirmed.")
    await expect(form.get_by_role("button", name="Send the link again")).to_have_count(0)
    await address.fill("vos@mail.example")
    await password.fill("wrong")
    await password.press("Enter")
    await expect(form.get_by_role("alert").filter(has_text="The password is wrong.")).to_be_visible()
    await expect(password).to_be_focused()
    await password.fill(PASSWORD)
    await password.press("Enter")
    await expect(form).to_contain_text("Saved. A link is on its way to vos@mail.example.")
    await expect(form).to_contain_text("Not confirmed yet")
    await expect(password).to_have_value("")
    await form.get_by_role("button", name="Send the link again").click()
    await expect(form.get_by_role("alert").filter(has_text="within the last hour")).to_be_visible()
    await person.look("account-email", person.rider)
    await account.get_by_role("button", name="Close").click()
    (confirming,) = [each for each in await sent(live_server.application) if each["To"] == "vos@mail.example"]
    # The link is opened in the tab of the first one.
    await page.goto(f"{url}/verify-email#{token_of(confirming)}")
    await page.get_by_role("button", name="Confirm the address").click()
    await expect(status).to_have_text("Your e-mail address is confirmed.")
    assert page.url == f"{url}/verify-email"
    await person.rider.press("Account")
    await expect(form).to_contain_text("Confirmed.")
    await account.get_by_role("button", name="Close").click()

    await person.rider.press("Log out")
    await person.rider.root.get_by_label("I have an account").check()
    link = person.rider.root.get_by_role("link", name="Forgot your password?")
    await page.goto(f"{url}{await link.get_attribute('href')}")
    for name in ("nobody@example.com", "robin@example.com"):
        await page.reload()
        await page.get_by_label("User name").fill(name)
        await page.get_by_role("button", name="Send me a letter").click()
        await expect(status).to_have_text(
            "If this account has a confirmed e-mail address, a letter with a link is on its way."
        )
    resetting = (await sent(live_server.application))[-1]
    assert resetting["To"] == "vos@mail.example"
    await page.goto(f"{url}/reset-password#{token_of(resetting)}")
    assert page.url == f"{url}/reset-password"
    await page.get_by_label("New password").fill(NEW_PASSWORD)
    await page.get_by_label("The same again").fill("seven-purple-kettles")
    await page.get_by_role("button", name="Change the password").click()
    await expect(status).to_have_text("The two passwords differ.")
    await page.get_by_label("The same again").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Change the password").click()
    await expect(status).to_contain_text("Your password was changed")

    await person.rider.fill_log_in("Robin")
    await expect(person.rider.problems).to_have_text("The user name or the password is wrong.")
    await person.rider.fill_log_in("Robin", NEW_PASSWORD)
    await person.rider.is_live("Robin")
    await page.goto(f"{url}/reset-password")
    await expect(status).to_have_text("Open the link in the letter again.")
