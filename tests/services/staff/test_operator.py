"""The commands about accounts are in the trail of staff, under the name of the operating system's user."""

import asyncio

import pytest

from application.application import Application
from services.accounts.log_in import BadCredentials
from services.accounts.members_of_staff import LastOfStaff
from services.accounts.recovery import NoSuchName
from services.errors import UserFault, UserFaults
from services.photos.account_photos import PhotosUnavailable
from services.photos.store import StoreUnreachable
from services.staff import lists
from services.staff.operator import NoMemberOfStaff, Operator
from services.staff.trail import CommandLine
from tests.services.staff.test_personal_data import unpacked
from tests.support.api import PASSWORD


def operator_of(application: Application) -> Operator:
    return Operator(
        CommandLine("ops"),
        application.database,
        application.outbox,
        application.shield,
        accounts=application.services.accounts,
        recovery=application.services.recovery,
        sessions=application.services.sessions,
        personal_data=application.personal_data,
    )


async def trail(application: Application) -> list[tuple[str, str, str | None, str]]:
    """Who did what, to whom, and the detail; as the list of staff shows it, the oldest first."""
    rows = await lists.actions(application.database).page()
    return [(row.staff, row.action.value, row.user, row.detail) for row in reversed(rows)]


async def test_each_command_about_an_account_is_in_the_trail_as_done_on_the_command_line(
    application: Application,
) -> None:
    operator = operator_of(application)
    await operator.create_staff(username="chief", password=PASSWORD)
    await operator.set_password(username="CHIEF", password=f"{PASSWORD}-2")
    user_id, data = await operator.export_user(username="chief")

    ops = "ops (command line)"
    assert await trail(application) == [
        (ops, "ADD_USER", "chief", "a member of staff"),
        (ops, "SET_PASSWORD", "chief", ""),
        (ops, "EXPORT", "chief", "everything about the user"),
    ]
    # What the operator did is about the person, and no action of theirs.
    _, again = await operator.export_user(username="chief")
    account, _ = unpacked(again)
    kinds = [action["action"] for action in account["actions_of_staff_about_you"]]
    assert kinds == ["ADD_USER", "SET_PASSWORD", "EXPORT"]
    assert account["your_actions_as_staff"] == []
    assert unpacked(data)[0]["account"]["id"] == str(user_id)


async def test_a_command_that_changes_nothing_leaves_no_entry(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = operator_of(application)
    await application.services.accounts.create_staff(username="chief", password=PASSWORD)
    with pytest.raises(UserFaults):
        await operator.create_staff(username="CHIEF", password=PASSWORD)
    with pytest.raises(UserFault):
        await operator.set_password(username="chief", password="password")
    for work in (operator.set_password(username="nobody", password=PASSWORD), operator.export_user(username="x")):
        with pytest.raises(NoSuchName):
            await work
    await application.database.fetch("UPDATE users SET photo = 'away.webp'")

    async def away(_: str) -> bytes:
        raise StoreUnreachable("away")

    monkeypatch.setattr(application.photo_store, "get", away)
    with pytest.raises(PhotosUnavailable):
        await operator.export_user(username="chief")
    assert await trail(application) == []


async def test_the_rights_of_staff_are_taken_away_with_all_sessions_and_the_trail_has_it(
    application: Application,
) -> None:
    operator, services = operator_of(application), application.services
    await operator.create_staff(username="chief", password=PASSWORD)
    await operator.create_staff(username="stella", password=PASSWORD)
    session = await application.staff.log_in(username="stella", password=PASSWORD, address=None, replaces=None)
    await operator.revoke_staff(username="STELLA")
    assert await services.sessions.actor_of(session.token) is None
    with pytest.raises(BadCredentials):
        await application.staff.log_in(username="stella", password=PASSWORD, address=None, replaces=None)
    # As a rider she can still log in.
    await services.log_ins.log_in(username="stella", password=PASSWORD, address=None, replaces=None)
    assert (await trail(application))[-1] == ("ops (command line)", "REVOKE_STAFF", "stella", "")

    with pytest.raises(NoMemberOfStaff):
        await operator.revoke_staff(username="stella")
    with pytest.raises(NoSuchName):
        await operator.revoke_staff(username="nobody")
    # Who is not active is no help to the last one, and no loss.
    await application.database.fetch("UPDATE users SET is_staff = $1, is_active = $2", True, False)
    await application.database.fetch("UPDATE users SET is_active = $1 WHERE username = 'chief'", True)
    with pytest.raises(LastOfStaff):
        await operator.revoke_staff(username="chief")
    await operator.revoke_staff(username="stella")
    assert [row[1] for row in await trail(application)].count("REVOKE_STAFF") == 2


async def test_of_two_commands_at_once_one_leaves_a_member_of_staff(application: Application) -> None:
    operator = operator_of(application)
    for name in ("chief", "stella"):
        await operator.create_staff(username=name, password=PASSWORD)
    outcomes = await asyncio.gather(
        *(operator.revoke_staff(username=name) for name in ("chief", "stella")), return_exceptions=True
    )
    assert sorted(type(outcome) for outcome in outcomes if outcome is not None) == [LastOfStaff]
    rows = await application.database.fetch("SELECT id FROM users WHERE is_staff = $1", True)
    assert len(rows) == 1


def test_a_long_name_of_the_operating_system_fits_and_still_names_the_command_line() -> None:
    assert CommandLine("root").author == "root (command line)"
    assert len(CommandLine("x" * 300).author) == 150
    assert CommandLine("x" * 300).author.endswith("x (command line)")
