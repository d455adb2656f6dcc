"""`export-schema`."""

from pathlib import Path
from typing import Annotated

import typer

from schema.build import build_schema


def export_schema(
    path: Annotated[Path | None, typer.Argument(help="The file to write; by default it is printed.")] = None,
) -> None:
    """Write the schema as SDL."""
    text = build_schema().as_str() + "\n"
    if path is None:
        typer.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")
