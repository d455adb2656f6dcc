"""The command line. A module here is a group of commands; they are listed in the order of ``--help``."""

import typer

from application.commands import (
    database,
    drivers,
    keys,
    pages,
    people,
    schema,
    serve,
    settings,
    simulate,
    webhooks,
)

cli = typer.Typer(
    help="A GraphQL dispatch server for ride-hailing. Without a command it serves.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """A GraphQL dispatch server for ride-hailing. Without a command it serves."""
    if context.invoked_subcommand is None:
        serve.serve()


for command in (
    serve.serve,
    pages.build_pages,
    database.migrate,
    database.makemigrations,
    schema.export_schema,
    schema.export_errors,
    people.create_staff,
    people.revoke_staff,
    people.set_password,
    people.export_user,
    drivers.list_waiting_drivers,
    drivers.approve_driver,
    drivers.refuse_driver,
    people.seed_demo,
    keys.vapid_keys,
    simulate.simulate,
):
    cli.command()(command)
cli.add_typer(webhooks.webhooks, name="webhooks")
cli.command("settings")(settings.show_settings)
