"""Operations of a socket leave nothing behind."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

from graphql import ExecutionResult, OperationType, located_error

from schema.operations.execution import Request
from schema.transport.socket_operations import SocketOperations
from services.errors import SessionEnded
from services.runtime.admission import Admission
from services.runtime.counters import Counters
from services.runtime.time_limit import TimeLimit
from tests.support.waiting import PATIENCE_S


async def test_an_operation_whose_session_has_ended_leaves_nothing_to_the_garbage_collector() -> None:
    try:
        raise SessionEnded
    except SessionEnded as ended:
        error = located_error(ended)
        raised = ended
    ends = asyncio.Event()
    execution = SimpleNamespace(
        time_limit=TimeLimit(5.0),
        prepare=lambda _: SimpleNamespace(type=OperationType.QUERY, needs_session_lookup=False),
        run=AsyncMock(return_value=ExecutionResult(None, [error])),
    )
    operations = SocketOperations(
        cast("Any", execution),
        Mock(),
        Mock(),
        actor=Mock(),
        token="",
        is_own_page=True,
        max_operations=1,
        admission=Admission(1, Counters()),
        client="",
        end_session=ends.set,
        fail=Mock(),
        overloaded=Mock(),
    )
    operations.begin("1", Request("{ me { id } }"))
    async with asyncio.timeout(PATIENCE_S):
        await ends.wait()
    # Its frames refer to the executor, and the executor refers to the error.
    assert raised.__traceback__ is None
