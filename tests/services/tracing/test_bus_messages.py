"""The context of a trace in bus messages, which servers with and without it exchange."""

from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest
from opentelemetry.trace import SpanContext, TraceFlags

from models.values import Approval, Role, TripValue, UserValue
from services.drivers.announcements import read_standing, standing_message
from services.tracing.bus_messages import context_of, stamped
from services.trips.announcements import found_message, is_of_trip, read_message
from tests.support.trips import trip_value

ROBIN = UserValue(uuid4(), "robin@example.com", "Robin", "Example", Role.RIDER, None)
CONTEXT = SpanContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, False, TraceFlags(1))


def test_the_context_of_a_message_comes_back() -> None:
    found = context_of(stamped(trip_value(ROBIN).to_json(), CONTEXT))

    assert found is not None
    assert (found.trace_id, found.span_id, found.trace_flags) == (CONTEXT.trace_id, CONTEXT.span_id, 1)
    assert found.is_remote


def test_a_server_that_does_not_know_the_context_reads_the_message() -> None:
    value = trip_value(ROBIN)
    message = stamped(value.to_json(), CONTEXT)

    # By the code of the release before.
    assert TripValue.from_json(message) == value
    assert is_of_trip(message)
    found = stamped(found_message(value, datetime.now(UTC)), CONTEXT)
    assert read_message(found)[0] == value
    driver_id = uuid4()
    standing = standing_message(driver_id, on_duty=True, approval=Approval.APPROVED, has_vehicle=False)
    assert read_standing(stamped(standing, CONTEXT)) == (driver_id, True, Approval.APPROVED, False)


def test_a_message_of_a_server_without_traces_has_no_context() -> None:
    assert context_of(trip_value(ROBIN).to_json()) is None
    assert context_of(b"") is None
    other = f"00-{'a' * 32}-{'b' * 16}-01"
    assert context_of(f'{{"id":1,"grandparent":"{other}"}}'.encode()) is None


def test_a_message_that_is_no_object_stays_as_it_is() -> None:
    session_id = str(uuid4()).encode()
    assert stamped(session_id, CONTEXT) == session_id


def test_what_a_person_typed_is_no_context() -> None:
    typed = f'x","traceparent":"00-{"a" * 32}-{"b" * 16}-01"}}'
    message = orjson.dumps({"id": 1, "note": typed})

    # A note that is the last key of its message: the worst case.
    assert context_of(message) is None
    assert context_of(message[:-1]) is None
    assert context_of(message[:-2]) is None


@pytest.mark.parametrize(
    "value",
    [
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"00-{'G' * 32}-{'b' * 16}-01",
        f"ff-{'a' * 32}-{'b' * 16}-01",
    ],
)
def test_a_context_in_another_form_is_none(value: str) -> None:
    assert context_of(f'{{"id":1,"traceparent":"{value}"}}'.encode()) is None
