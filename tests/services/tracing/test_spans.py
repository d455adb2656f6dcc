"""What is traced, by servers whose spans stay in the process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanContext, StatusCode

import application.application as building
from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.values import Role, UserValue
from models.visibility import Actor
from services.database.traced_database import summary_of
from services.events.topics import Topics
from services.live.delivery_spans import DeliverySpans
from services.live.events import EventDecoder
from services.runtime.counters import Counters
from services.tracing.bus_messages import context_of, stamped
from services.tracing.tracing import SpanKind, Tracing
from tests.support.database_rows import add_rider
from tests.support.trips import trip_value


class Recorded:
    """Spans, as soon as they have ended."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider)

    def all(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> Sequence[ReadableSpan]:
        return [span for span in self.all() if span.name == name]


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
async def traced(
    settings: Settings, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Application]:
    monkeypatch.setattr(building, "start_tracing", lambda _: recorded.tracing)
    application = Application(settings)
    async with running(application):
        yield application


async def request(application: Application, rider: Actor, tracing: Tracing) -> SpanContext:
    """Request a trip; the context of the caller."""
    with tracing.span("caller") as span:
        await application.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")
        return span.get_span_context()


@pytest.mark.parametrize("backend", ["production"])
async def test_requests_that_are_written_together_are_published_each_in_its_own_trace(
    traced: Application, recorded: Recorded
) -> None:
    riders = [await add_rider(traced.database) for _ in range(3)]
    # They arrive in one iteration of the event loop, so that one statement writes them.
    callers = await asyncio.gather(*(request(traced, rider, recorded.tracing) for rider in riders))
    await traced.outbox.stop()

    (write,) = recorded.named("write trips")
    (statement,) = recorded.named("INSERT trips")
    assert parent_of(write) == callers[0].span_id
    assert [link.context.span_id for link in write.links] == [caller.span_id for caller in callers[1:]]
    assert parent_of(statement) == id_of(write)
    assert {parent_of(span) for span in recorded.named("publish trip")} == {caller.span_id for caller in callers}


async def test_what_nobody_asked_for_has_no_spans(traced: Application, recorded: Recorded) -> None:
    await traced.outbox.sweep.run_once()
    await traced.services.trips.expire_overdue()
    rider = await add_rider(traced.database)
    await traced.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")
    await traced.outbox.stop()

    assert recorded.all() == ()


async def test_a_change_that_the_broker_refuses_has_a_failed_publication(
    traced: Application, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: object) -> bool:
        return False

    monkeypatch.setattr(traced.bus, "publish", refuse)
    await request(traced, await add_rider(traced.database), recorded.tracing)
    await traced.outbox.stop()

    (publication,) = recorded.named("publish trip")
    assert publication.status.status_code is StatusCode.ERROR
    assert publication.attributes is not None
    assert publication.attributes["error.type"] == "not_accepted"


async def test_a_request_that_is_not_sampled_costs_no_spans_and_leaves_the_message_as_it_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recorded(ALWAYS_OFF)
    monkeypatch.setattr(building, "start_tracing", lambda _: recorded.tracing)
    application = Application(settings)
    async with running(application):
        messages: list[bytes] = []

        async def hear(events: Sequence[tuple[Sequence[str], bytes]]) -> bool:
            messages.extend(message for _, message in events)
            return True

        monkeypatch.setattr(application.bus, "publish", hear)
        await request(application, await add_rider(application.database), recorded.tracing)
        await application.outbox.stop()

    (message,) = messages
    assert context_of(message) is None
    assert recorded.all() == ()


async def test_an_event_on_several_topics_is_one_span_that_ends_with_the_last_delivery(recorded: Recorded) -> None:
    spans = DeliverySpans(recorded.tracing, system="memory")
    decoder = EventDecoder(Topics("test"), Counters())
    with recorded.tracing.span("publish trip") as publication:
        message = stamped(trip_value_message(), publication.get_span_context())
    event = decoder.decode("test:trip:x", message)
    first = spans.of(message, event, iter([None, None]), followers=3)
    other = spans.of(message, event, iter([None]), followers=2)
    assert [*other] == [None]
    next(first)
    # The other topic has been delivered, and this one has not.
    spans._report_if_done(message)
    assert recorded.named("process trip") == []
    assert [*first] == [None]
    spans._report_if_done(message)

    (delivery,) = recorded.named("process trip")
    assert delivery.kind is SpanKind.CONSUMER
    assert parent_of(delivery) == publication.get_span_context().span_id
    assert [link.context.span_id for link in delivery.links] == [publication.get_span_context().span_id]
    assert delivery.attributes is not None
    assert delivery.attributes["taxirank.topics"] == 2
    assert delivery.attributes["taxirank.subscribers"] == 5


async def test_an_event_without_followers_or_without_a_context_is_not_traced(recorded: Recorded) -> None:
    spans = DeliverySpans(recorded.tracing, system="memory")
    decoder = EventDecoder(Topics("test"), Counters())
    plain = trip_value_message()
    with recorded.tracing.span("publish trip") as publication:
        message = stamped(plain, publication.get_span_context())
    for each, followers in ((plain, 1), (message, 0)):
        pieces = iter([None])
        assert spans.of(each, decoder.decode("test:trip:x", each), pieces, followers=followers) is pieces


async def test_spans_of_events_that_are_being_delivered_are_reported_at_the_stop(recorded: Recorded) -> None:
    spans = DeliverySpans(recorded.tracing, system="memory")
    with recorded.tracing.span("publish trip") as publication:
        message = stamped(trip_value_message(), publication.get_span_context())
    event = EventDecoder(Topics("test"), Counters()).decode("test:trip:x", message)
    next(spans.of(message, event, iter([None, None]), followers=1))
    spans.report()

    assert len(recorded.named("process trip")) == 1


def test_a_span_fails_with_its_block_and_does_not_say_what_was_typed(recorded: Recorded) -> None:
    with pytest.raises(ValueError, match="Main Street"), recorded.tracing.span("work"):
        raise ValueError("Main Street 1")

    (span,) = recorded.named("work")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes == {"error.type": "ValueError"}
    assert "Main Street" not in span.to_json()


@pytest.mark.parametrize(
    ("sql", "summary"),
    [
        ("SELECT 1 AS one", "SELECT"),
        ("SELECT id\n FROM trips WHERE id = $1", "SELECT trips"),
        ("DELETE FROM outbox WHERE id = ANY($1)", "DELETE outbox"),
        ("UPDATE trips SET status = $2 WHERE id = $1", "UPDATE trips"),
        ("WITH next AS (SELECT id FROM outbox FOR UPDATE SKIP LOCKED) UPDATE outbox SET a = 1", "UPDATE outbox"),
        ("WITH caller AS (SELECT id FROM sessions) INSERT INTO trips (id) SELECT $1", "INSERT trips"),
        ("SELECT pg_advisory_lock(1)", "SELECT"),
    ],
)
def test_a_statement_is_named_by_what_it_does(sql: str, summary: str) -> None:
    assert summary_of(sql) == summary


def trip_value_message() -> bytes:
    return trip_value(UserValue(uuid4(), "robin@example.com", "Robin", "Example", Role.RIDER, None)).to_json()
