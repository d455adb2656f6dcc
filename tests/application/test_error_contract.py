"""The list of errors for tools is that of the code."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import pytest
from typer.testing import CliRunner
from websockets.frames import CloseCode as ProtocolCode

from application import error_documents
from application.commands import cli
from application.error_contract import Place, Repeat, errors
from application.paths import ROOT
from schema.transport.socket_messages import CloseCode
from services.errors import ErrorCode, UserFault

ENTRIES = {(entry.place, entry.code): entry for entry in errors()}
# What takes the code of an error, or its beginning and end.
REFUSALS = {"RequestError", "BadRequest", "Refusal", "_Refused", "_refuse", "_with_code", "exceeded"}
CODE = re.compile(r"[A-Z]+(_[A-Z]+)*")


def sources() -> Iterator[Path]:
    for folder in ("schema", "gateway", "application"):
        yield from sorted(path for path in (ROOT / folder).rglob("*.py") if path.name != "error_contract.py")


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def texts_in(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and CODE.fullmatch(inner.value):
            yield inner.value


def refusals() -> Iterator[tuple[str, int | None]]:
    """Each code that the source gives to an error of a request, with the HTTP status beside it, if any."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call() if name_of(node.func) in REFUSALS:
                    given = [*node.args, *(each.value for each in node.keywords if each.arg == "code")]
                    status = next((each.value for each in node.args if _is_status(each)), None)  # pyright: ignore
                    codes = [code for each in given for code in texts_in(each) if len(code) > 4]
                    is_limit = name_of(node.func) == "exceeded"
                    for code in codes or (["BAD_REQUEST"] if name_of(node.func) == "BadRequest" else []):
                        yield (f"MAX_{code}_LIMIT" if is_limit else code), status
                case ast.Dict():
                    for key, value in zip(node.keys, node.values, strict=True):
                        if isinstance(key, ast.Constant) and key.value == "code":
                            yield from ((code, None) for code in texts_in(value))
                case ast.Assign(targets=[ast.Name(id="code")]):
                    yield from ((code, None) for code in texts_in(node.value))
                case ast.For(iter=ast.Tuple(elts=rows)) if "exceeded(" in ast.unparse(node):
                    limits = [row.elts[0] for row in rows if isinstance(row, ast.Tuple)]
                    yield from ((f"MAX_{limit}_LIMIT", None) for each in limits for limit in texts_in(each))
                case _:
                    pass


def _is_status(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and 400 <= node.value < 600


def test_every_code_of_a_request_is_listed_with_its_statuses_and_no_other() -> None:
    found = set(refusals())
    listed = {code: entry for (place, code), entry in ENTRIES.items() if place is Place.REQUEST}
    assert {code for code, _ in found} == listed.keys()
    assert {(code, status) for code, status in found if status and status not in listed[code].statuses} == set()


def test_every_code_of_a_payload_is_listed_with_its_text_and_repeats_as_its_fault_says() -> None:
    listed = {code: entry for (place, code), entry in ENTRIES.items() if place is Place.PAYLOAD}
    assert listed.keys() == {code.value for code in ErrorCode}
    for path in sorted((ROOT / "services").rglob("*.py")):
        if "UserFault)" in path.read_text(encoding="utf-8"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    # Other tests define faults too.
    ours = [fault for fault in UserFault.__subclasses__() if fault.__module__.startswith("services.")]
    faults = {fault.code.value: fault for fault in ours if "code" in vars(fault)}
    assert faults.keys() == listed.keys()
    assert {code for code, fault in faults.items() if fault.retryable} == {
        code for code, entry in listed.items() if entry.repeat is Repeat.LATER
    }


def test_every_code_that_closes_a_socket_is_listed() -> None:
    listed = {int(code) for place, code in ENTRIES if place is Place.CLOSE}
    own: type[IntEnum] = CloseCode
    assert {int(code) for code in own} <= listed
    source = (ROOT / "gateway" / "uvicorn" / "socket_protocol.py").read_text(encoding="utf-8")
    for name in set(re.findall(r"\bCloseCode\.(\w+)", source)):
        assert int(ProtocolCode[name]) in listed


@pytest.mark.parametrize(("format", "file"), [("json", "errors.json"), ("markdown", "errors.md")])
def test_the_command_prints_what_the_documentation_has(format: str, file: str) -> None:
    printed = CliRunner().invoke(cli, ["export-errors", "--format", format])
    committed = (ROOT / "docs" / file).read_text(encoding="utf-8")
    assert (printed.exit_code, printed.output) == (0, committed), f"export-errors --format {format} docs/{file}"


def test_the_list_for_tools_has_each_code_once_with_all_that_they_need() -> None:
    document = json.loads(error_documents.as_json())
    keys = {"code", "place", "text", "repeat", "act", "remedy", "retryAfter", "statuses"}
    assert all(entry.keys() == keys and entry["text"] and entry["remedy"] for entry in document["errors"])
    assert len({(entry["place"], entry["code"]) for entry in document["errors"]}) == len(document["errors"])
    assert {entry["repeat"] for entry in document["errors"]} == set(document["repeat"])
    assert {entry["act"] for entry in document["errors"]} == set(document["act"])
