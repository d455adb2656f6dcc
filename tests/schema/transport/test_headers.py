"""The header fields of a request are those of Starlette."""

import pytest
from starlette.datastructures import Headers

from schema.transport.headers import headers_of


@pytest.mark.parametrize(
    "given",
    [
        [],
        [(b"host", b"a"), (b"cookie", b"x=1")],
        [(b"cookie", b"x=1"), (b"host", b"a"), (b"cookie", b"x=2")],
        [(b"x-name", "Zoë".encode("latin-1")), (b"accept", b"")],
    ],
)
def test_the_first_field_of_each_name_counts(given: list[tuple[bytes, bytes]]) -> None:
    scope = {"type": "http", "headers": given}
    starlette = Headers(scope=scope)
    assert headers_of(scope) == {name: starlette[name] for name in starlette}
