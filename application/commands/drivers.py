"""`list-waiting-drivers`, `approve-driver` and `refuse-driver`, for servers without the admin."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import typer

from application.application import Application
from application.process import command_line, run, stop, utf8, with_application
from application.settings import PREFIX
from services.errors import BadInput
from services.staff.approval_list import waiting_drivers
from services.staff.approvals import NoSuchUser

Username = Annotated[str, typer.Argument(help="The user name of the driver.", callback=utf8)]


def list_waiting_drivers() -> None:
    """List the drivers who wait for approval, with their vehicles; those who have waited longest come first."""

    async def show(application: Application) -> None:
        drivers = await waiting_drivers(application.database).page(order=[("created", False)])
        for driver in drivers:
            vehicle = driver.vehicle
            described = (
                f"{vehicle.color} {vehicle.make} {vehicle.model}, {vehicle.license_plate}, {vehicle.seats} seats"
                if vehicle is not None
                else "no vehicle"
            )
            since = f"{driver.created:%Y-%m-%d %H:%M} UTC"
            typer.echo("\t".join((driver.username, f"{driver.first_name} {driver.last_name}", since, described)))
        if not drivers:
            typer.echo("No driver waits.")

    run(with_application(show))


def approve_driver(username: Username) -> None:
    """Let a driver take trips. The driver's app hears of it within two seconds."""

    async def approve(application: Application, driver_id: UUID) -> None:
        await application.approvals.approve(command_line(), driver_id=driver_id)

    _decide(username, approve, "approved")


def refuse_driver(
    username: Username,
    reason: Annotated[str, typer.Option(help="Why; the driver sees it.")],
) -> None:
    """Refuse a driver, or revoke the approval; a trip under way goes on. The driver is told within two seconds."""

    async def refuse(application: Application, driver_id: UUID) -> None:
        try:
            await application.approvals.refuse(command_line(), driver_id=driver_id, reason=reason)
        except BadInput as error:
            stop(f"--reason: {error}")

    _decide(username, refuse, "refused")


def _decide(username: str, decide: Callable[[Application, UUID], Awaitable[None]], done: str) -> None:
    async def work(application: Application) -> None:
        driver_id = await application.personal_data.find(username)
        try:
            if driver_id is None:
                raise NoSuchUser
            await decide(application, driver_id)
        except NoSuchUser:
            stop(f"there is no driver {username!r}")
        typer.echo(f"{done} {username}")
        if not application.settings.driver_approval:
            typer.echo(f"{PREFIX}DRIVER_APPROVAL is off: decisions count when it is on")

    run(with_application(work))
