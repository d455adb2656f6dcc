"""Nobody gets a user name that looks like another user's name, even if that one is older than the rule."""

import asyncio
from uuid import UUID

import pytest

from application.application import Application
from application.settings import Settings
from models.values import Role
from services.accounts.lookalikes import fill_skeletons, skeleton
from services.accounts.sessions import NewSession
from services.errors import ErrorCode, UserFaults
from tests.support.api import PASSWORD

CYRILLIC, LATIN = "\u0441\u0430\u0440\u0430", "capa"


@pytest.mark.attack("abuse")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Cyrillic, Greek, Armenian, Cherokee, whole words of each.
        (CYRILLIC, LATIN),
        ("\u0421\u0410\u0420\u0410", "capa"),
        ("\u041d\u0410\u0422\u0410", "hata"),
        ("\u03bf\u03bd\u03bf", "ovo"),
        ("\u0396\u0395\u039d\u039f", "zeno"),
        ("\u0585\u057d\u0578", "oun"),
        ("\u13a0\u13a1\u13a2", "DRT"),
        (CYRILLIC + "@example.com", "capa@example.com"),
        # Within one script.
        ("modern", "modem"),
        ("Ian", "lan"),
        ("rosa1", "rosal"),
        ("\u0131lk", "ilk"),
        ("rosa", "ROSA"),
        # From the time before such characters were refused.
        ("rosa\u2800", "rosa"),
        ("ro\u200bsa", "rosa"),
    ],
)
def test_names_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)
    assert len(skeleton(one)) == 64


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rosa", "rose"),
        ("rosa2", "rosa3"),
        ("renee", "ren\u00e9e"),
        ("\u0438\u0432\u0430\u043d", "ivan"),
        ("\u043d\u0430\u0442\u0430", "hata"),
        ("\u674e\u5c0f\u9f99", "\u674e\u5c0f\u9f8d"),
        ("rosa.a", "rosaa"),
        ("mail", "mall"),
    ],
)
def test_names_that_can_be_distinguished_have_different_skeletons(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


async def sign_up(application: Application, username: str) -> NewSession:
    return await application.services.accounts.sign_up(
        username=username,
        password1=PASSWORD,
        password2=PASSWORD,
        first_name="Sara",
        last_name="Petrova",
        role=Role.RIDER,
    )


async def is_refused(application: Application, username: str) -> bool:
    try:
        await sign_up(application, username)
    except UserFaults as refused:
        return [(fault.code, fault.field) for fault in refused.faults] == [
            (ErrorCode.USERNAME_TAKEN, ("username",))
        ]
    return False


@pytest.mark.attack("abuse")
async def test_a_name_that_looks_like_another_users_is_taken(application: Application) -> None:
    await sign_up(application, LATIN)
    assert await is_refused(application, CYRILLIC)
    assert not await is_refused(application, "\u043d\u0430\u0442\u0430")


@pytest.mark.attack("abuse")
async def test_of_two_simultaneous_names_that_look_alike_one_is_accepted(application: Application) -> None:
    refused = await asyncio.gather(is_refused(application, LATIN), is_refused(application, CYRILLIC))
    assert sorted(refused) == [False, True]


async def test_a_name_that_looks_like_a_deleted_users_name_is_free(application: Application) -> None:
    actor = (await sign_up(application, LATIN)).actor
    await application.services.deletions.delete(actor, password=PASSWORD)
    assert not await is_refused(application, CYRILLIC)


async def without_skeleton(application: Application, username: str) -> UUID:
    """An account from the time before the rule."""
    user = (await sign_up(application, f"x.{username}")).actor.user
    await application.database.fetch(
        "UPDATE users SET username = $2, username_key = $2, username_skeleton = NULL WHERE id = $1",
        user.id,
        username,
    )
    return user.id


async def skeletons(application: Application) -> dict[str, str | None]:
    rows = await application.database.fetch("SELECT username, username_skeleton FROM users")
    return {row["username"]: row["username_skeleton"] for row in rows}


async def test_older_names_are_protected_too_and_existing_names_that_look_alike_stay(
    application: Application, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.accounts.lookalikes.BATCH", 2)
    names = [LATIN, CYRILLIC, "rosa", "hata", "pablo"]
    for name in names:
        await without_skeleton(application, name)
    another = Application(settings)
    await another.database.connect()
    await asyncio.gather(fill_skeletons(application.database), fill_skeletons(another.database))
    await another.database.disconnect()
    filled = await skeletons(application)
    assert filled.keys() == set(names)
    assert {filled.pop(LATIN), filled.pop(CYRILLIC)} == {None, skeleton(LATIN)}
    assert filled == {name: skeleton(name) for name in filled}
    assert await is_refused(application, "\u041d\u0410\u0422\u0410")


async def test_a_user_deleted_by_an_older_server_blocks_no_name(application: Application) -> None:
    user = (await sign_up(application, LATIN)).actor.user
    await application.database.fetch(
        "UPDATE users SET username = '', username_key = $2, deleted = {now} WHERE id = $1", user.id, f" {user.id}"
    )
    await fill_skeletons(application.database)
    assert await skeletons(application) == {"": None}
    assert not await is_refused(application, CYRILLIC)
