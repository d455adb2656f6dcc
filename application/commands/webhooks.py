"""`webhooks add`, `list`, `test` and so on, for servers without the admin."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import typer

from application.application import Application
from application.process import command_line, run, stop, with_application
from services.errors import BadInput
from services.webhooks.endpoints import NoSuchEndpoint

webhooks = typer.Typer(help="Other systems that hear of changes of trips.", no_args_is_help=True)

EndpointId = Annotated[
    UUID, typer.Argument(metavar="ID", help="The id of the endpoint, as `webhooks list` shows it.")
]


def _run(work: Callable[[Application], Awaitable[str]]) -> None:
    """Do something with endpoints, and print what it returns."""

    async def checked(application: Application) -> None:
        try:
            typer.echo(await work(application))
        except (BadInput, NoSuchEndpoint) as error:
            stop(error.message)
        finally:
            await application.outgoing.close()

    run(with_application(checked))


@webhooks.command()
def add(
    url: Annotated[str, typer.Argument(help="Where webhooks are sent: https, on a public host.")],
    description: Annotated[str, typer.Option(help="Who listens.")] = "",
    event: Annotated[list[str] | None, typer.Option(help="A type to hear of, repeatable; by default all.")] = None,
) -> None:
    """Add an endpoint, and print its id and its secret. The secret is shown only now."""

    async def work(application: Application) -> str:
        endpoint, secret = await application.staff_webhooks.add(
            command_line(), url=url, description=description, event_types=event or ()
        )
        return f"{endpoint.id}\n{secret}"

    _run(work)


@webhooks.command("list")
def list_endpoints() -> None:
    """List the endpoints: id, state, address, types and description."""

    async def work(application: Application) -> str:
        lines: list[str] = []
        for endpoint in await application.webhook_endpoints.all():
            disabled = f"disabled ({endpoint.disabled_by})" if endpoint.disabled_by is not None else None
            state = disabled or ("failing" if endpoint.is_failing else "enabled")
            types = ",".join(endpoint.event_types) or "all"
            lines.append("\t".join((str(endpoint.id), state, endpoint.url, types, endpoint.description)))
        return "\n".join(lines) or "There is no endpoint."

    _run(work)


@webhooks.command()
def rotate(endpoint_id: EndpointId) -> None:
    """Make a new secret, and print it. For a day the former one signs too."""

    async def work(application: Application) -> str:
        return await application.staff_webhooks.rotate(command_line(), endpoint_id=endpoint_id)

    _run(work)


@webhooks.command()
def test(endpoint_id: EndpointId) -> None:
    """Let a running server send a test event."""

    async def work(application: Application) -> str:
        await application.staff_webhooks.test(command_line(), endpoint_id=endpoint_id)
        return "a running server sends it within seconds"

    _run(work)


@webhooks.command()
def disable(endpoint_id: EndpointId) -> None:
    """Send nothing more to an endpoint."""

    async def work(application: Application) -> str:
        await application.staff_webhooks.disable(command_line(), endpoint_id=endpoint_id)
        return "disabled"

    _run(work)


@webhooks.command()
def enable(endpoint_id: EndpointId) -> None:
    """Send to an endpoint again."""

    async def work(application: Application) -> str:
        await application.staff_webhooks.enable(command_line(), endpoint_id=endpoint_id)
        return "enabled"

    _run(work)


@webhooks.command()
def resend(endpoint_id: EndpointId) -> None:
    """Send all dead letters of an endpoint again."""

    async def work(application: Application) -> str:
        number = await application.staff_webhooks.send_all_again(command_line(), endpoint_id=endpoint_id)
        return f"{number} dead letters are sent again"

    _run(work)


@webhooks.command()
def delete(endpoint_id: EndpointId) -> None:
    """Delete an endpoint with its deliveries."""

    async def work(application: Application) -> str:
        await application.staff_webhooks.delete(command_line(), endpoint_id=endpoint_id)
        return "deleted"

    _run(work)
