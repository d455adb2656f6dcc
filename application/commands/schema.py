"""`export-schema` and `export-errors`: the contract, for people and for tools."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from application import error_documents
from schema.build import build_schema, subgraph_sdl

_File = Annotated[Path | None, typer.Argument(help="The file to write; by default it is printed.")]


class Format(StrEnum):
    """The forms of the list of errors."""

    JSON = "json"
    MARKDOWN = "markdown"


def export_schema(
    path: _File = None,
    *,
    subgraph: Annotated[
        bool, typer.Option("--subgraph", help="As a subgraph, with the directives of Apollo Federation.")
    ] = False,
) -> None:
    """Write the schema as SDL."""
    _write(subgraph_sdl() if subgraph else build_schema().as_str() + "\n", path)


def export_errors(
    path: _File = None,
    format: Annotated[Format, typer.Option(help="For tools, or for people.")] = Format.JSON,
) -> None:
    """Write the codes of all errors: what each means, whether to repeat, and who has to act."""
    _write(error_documents.as_json() if format is Format.JSON else error_documents.as_page(), path)


def _write(text: str, path: Path | None) -> None:
    if path is None:
        typer.echo(text, nl=False)
    else:
        path.write_text(text, encoding="utf-8")
