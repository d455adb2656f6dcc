"""`settings`."""

import typer

from application.settings import PREFIX, Settings


def show_settings() -> None:
    """List every setting with its default."""
    for name, field in Settings.model_fields.items():
        typer.echo(
            f"{PREFIX}{name.upper()}={field.get_default(call_default_factory=True)}\n    {field.description}"
        )
