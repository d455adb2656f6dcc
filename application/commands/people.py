"""`create-staff`, `revoke-staff`, `set-password`, `export-user` and `seed-demo`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from application import demo
from application.application import Application
from application.process import command_line, read_settings, run, stop, utf8, with_application
from application.settings import PREFIX
from services.accounts.members_of_staff import LastOfStaff
from services.accounts.recovery import NoSuchName
from services.errors import UserFault, UserFaults
from services.photos.account_photos import PhotosUnavailable
from services.staff.operator import NoMemberOfStaff, Operator


def create_staff(
    username: Annotated[str, typer.Argument(help="The name to log in with.", callback=utf8)],
) -> None:
    """Create a member of staff. The password is asked for, or the first line of standard input."""
    password = _read_password()

    async def create(application: Application) -> None:
        user = await _operator(application).create_staff(username=username, password=password)
        typer.echo(f"created {user.username}")

    run(with_application(create))


def revoke_staff(
    username: Annotated[str, typer.Argument(help="The user name of the account.", callback=utf8)],
) -> None:
    """Take the rights of staff from an account. It stays, as a rider's, and all its sessions end."""

    async def revoke(application: Application) -> None:
        try:
            await _operator(application).revoke_staff(username=username)
        except NoSuchName:
            stop(f"there is no user {username!r}")
        except NoMemberOfStaff:
            stop(f"{username!r} is not a member of staff")
        except LastOfStaff:
            stop(f"{username!r} is the last active member of staff: create another one first, by `create-staff`")
        typer.echo(f"{username} is no longer a member of staff, and all sessions have ended")

    run(with_application(revoke))


def set_password(
    username: Annotated[str, typer.Argument(help="The user name of the account.", callback=utf8)],
) -> None:
    """Set the password of an account. It is asked for, or the first line of standard input. All sessions end."""
    password = _read_password()

    async def change(application: Application) -> None:
        try:
            await _operator(application).set_password(username=username, password=password)
        except NoSuchName:
            stop(f"there is no user {username!r}")
        except UserFault as fault:
            raise UserFaults([fault]) from None
        typer.echo("the password is set, and all sessions have ended")

    run(with_application(change))


def _operator(application: Application) -> Operator:
    return Operator(
        command_line(),
        application.database,
        application.outbox,
        application.shield,
        accounts=application.services.accounts,
        recovery=application.services.recovery,
        sessions=application.services.sessions,
        personal_data=application.personal_data,
    )


def _read_password() -> str:
    # Not an argument: `ps` shows arguments, and shells keep them in their history.
    if sys.stdin.isatty():
        return utf8(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return utf8(sys.stdin.readline().rstrip("\n"))


def export_user(
    username: Annotated[str, typer.Argument(help="The user name of the account.", callback=utf8)],
    path: Annotated[Path | None, typer.Argument(help="The ZIP file to write; by default user-<id>.zip.")] = None,
) -> None:
    """Write everything that is stored about a person to a ZIP file: JSON, and the photo."""

    async def export(application: Application) -> None:
        try:
            user_id, data = await _operator(application).export_user(username=username)
        except NoSuchName:
            stop(f"there is no user {username!r}")
        except PhotosUnavailable as error:
            stop(error.message)
        file = path or Path(f"user-{user_id}.zip")
        try:
            # For its owner alone, and never over another file.
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
                written.write(data)
        except OSError as error:
            stop(f"{file} cannot be written: {error.strerror}")
        typer.echo(f"wrote {file}")

    run(with_application(export))


def seed_demo() -> None:
    """Fill the database with a few riders, drivers and trips to look at."""
    if read_settings().public_url is not None:
        stop(f"{PREFIX}PUBLIC_URL is set, and the password of the demo accounts is public: they are not created")

    async def seed(application: Application) -> None:
        for line in await demo.seed(application.services.accounts, application.services.trips):
            typer.echo(line)

    # The demo drivers need no approval.
    run(with_application(seed, driver_approval=False))
