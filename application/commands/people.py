"""`create-staff` and `seed-demo`."""

import sys
from typing import Annotated

import typer

from application import demo
from application.application import Application
from application.process import read_settings, run, stop, with_application
from application.settings import PREFIX


def create_staff(
    username: Annotated[str, typer.Argument(help="The name to log in with.")],
) -> None:
    """Create a member of staff. The password is asked for, or the first line of standard input."""
    # Not an argument: `ps` shows arguments, and shells keep them in their history.
    password: str = (
        typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        if sys.stdin.isatty()
        else sys.stdin.readline().rstrip("\n")
    )

    async def create(application: Application) -> None:
        user = await application.services.accounts.create_staff(username=username, password=password)
        typer.echo(f"created {user.username}")

    run(with_application(create))


def seed_demo() -> None:
    """Fill the database with a few riders, drivers and trips to look at."""
    if read_settings().public_url is not None:
        stop(f"{PREFIX}PUBLIC_URL is set, and the password of the demo accounts is public: they are not created")

    async def seed(application: Application) -> None:
        for line in await demo.seed(application.services.accounts, application.services.trips):
            typer.echo(line)

    # The demo drivers need no approval.
    run(with_application(seed, driver_approval=False))
