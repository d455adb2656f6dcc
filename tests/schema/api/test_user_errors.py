"""Faults of users are data, for every mutation."""

from typing import Any, cast

import pytest

from schema.api.roots import Mutation
from schema.api.user_errors import FaultsAsErrors
from services.errors import ErrorCode, UserFault, UserFaults

FIELDS = {field.python_name: field for field in cast("Any", Mutation).__strawberry_definition__.fields}


class Weak(UserFault):
    code = ErrorCode.PASSWORD_WEAK


class Taken(UserFault):
    code = ErrorCode.USERNAME_TAKEN
    retryable = True


@pytest.mark.parametrize("name", FIELDS)
async def test_every_mutation_answers_all_faults_with_its_own_payload(name: str) -> None:
    field = FIELDS[name]
    [extension] = [each for each in field.extensions if isinstance(each, FaultsAsErrors)]
    extension.apply(field)

    async def fail(*_: object) -> object:
        raise UserFaults([Weak("too weak", field=("input", "password1")), Taken("taken")])

    payload = await extension.resolve_async(fail, None, cast("Any", None))

    assert type(payload) is field.type
    errors = [(error.code, error.message, error.field, error.retryable) for error in payload.errors]
    assert errors == [
        (ErrorCode.PASSWORD_WEAK, "too weak", ["input", "password1"], False),
        (ErrorCode.USERNAME_TAKEN, "taken", None, True),
    ]
