"""`migrate` and `makemigrations`."""

import subprocess
import sys
from typing import Annotated

import typer

from application.paths import ROOT
from application.process import read_settings, run
from services.database import migrations


def migrate() -> None:
    """Apply the migrations that the database does not have yet."""
    for name in run(migrations.apply(read_settings())):
        typer.echo(name)


def makemigrations(
    name: Annotated[str, typer.Option(help="A word that names the change.")] = "update",
    dialect: Annotated[str | None, typer.Option(help="postgres or sqlite; by default both.")] = None,
) -> None:
    """Write migrations for the changes of the models, for PostgreSQL and for SQLite."""
    if dialect is None:
        # aerich keeps its state on a class, so each dialect needs a process of its own.
        for each in migrations.DIALECTS:
            again = [sys.executable, str(ROOT / "server.py"), "makemigrations", "--name", name, "--dialect", each]
            subprocess.run(again, check=True)  # noqa: S603 - nothing in it comes from outside
        return
    written = run(migrations.generate(dialect, name))
    typer.echo(f"{dialect}: {written or 'nothing has changed'}")
