"""`export-schema`."""

from pathlib import Path
from typing import Annotated

import typer

from schema.build import build_schema, subgraph_sdl


def export_schema(
    path: Annotated[Path | None, typer.Argument(help="The file to write; by default it is printed.")] = None,
    *,
    subgraph: Annotated[
        bool, typer.Option("--subgraph", help="As a subgraph, with the directives of Apollo Federation.")
    ] = False,
) -> None:
    """Write the schema as SDL."""
    text = subgraph_sdl() if subgraph else build_schema().as_str() + "\n"
    if path is None:
        typer.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")
