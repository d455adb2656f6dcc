"""Spans of one server, and the context that connects them."""

import asyncio
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, Tracer

__all__ = ["Attributes", "Provider", "Span", "SpanContext", "SpanKind", "Tracing", "failed"]

Attributes = Mapping[str, str | int | bool]


class Provider(Protocol):
    """What is used of the SDK's TracerProvider."""

    def get_tracer(self, instrumenting_module_name: str) -> Tracer: ...

    def force_flush(self) -> bool: ...


class Tracing:
    """Starts spans. A span is current within its block: in log lines, and as the parent of those that begin there.

    Only what somebody asked for is traced: periodic jobs have no span around them, and their statements get none.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("taxirank")

    def here(self) -> SpanContext | None:
        """The current span, if it is recorded."""
        context = trace.get_current_span().get_span_context()
        return context if context.trace_flags.sampled else None

    def span(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        parent: SpanContext | None = None,
        links: Sequence[SpanContext] = (),
    ) -> AbstractContextManager[Span]:
        """A span for a block; it fails with the block. ``parent``: None for the current span."""
        return self._within(name, kind, attributes, _inside(parent) if parent is not None else None, links)

    def request(
        self, name: str, fields: Mapping[str, str], attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """The span of a request, in the trace that its fields name (``OTEL_PROPAGATORS``)."""
        return self._within(name, SpanKind.SERVER, attributes, propagate.extract(fields), ())

    @contextmanager
    def together(self, name: str, callers: Sequence[SpanContext | None]) -> Generator[None]:
        """A span for work for many callers: in the trace of the first, with links to the others."""
        traced = [caller for caller in callers if caller is not None]
        if not traced:
            yield
            return
        with self.span(name, parent=traced[0], links=traced[1:]):
            yield

    def begin(
        self,
        name: str,
        *,
        kind: SpanKind,
        attributes: Attributes,
        parent: SpanContext,
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """A span that the caller ends. It does not become the current one."""
        return self._tracer.start_span(
            name, _inside(parent), kind, attributes, [Link(link) for link in links], record_exception=False
        )

    async def flush(self) -> None:
        """Export what has been recorded. Being cancelled ends the wait: a collector may not answer."""
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        # Not in the loop's executor, which a stop waits for.
        threading.Thread(target=self._flush, args=[loop, done.set], name="flush spans", daemon=True).start()
        await done.wait()

    def _flush(self, loop: asyncio.AbstractEventLoop, done: Callable[[], None]) -> None:
        try:
            self._provider.force_flush()
        finally:
            # The loop may be closed if nobody waits any more.
            if not loop.is_closed():
                loop.call_soon_threadsafe(done)

    @contextmanager
    def _within(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes | None,
        context: Context | None,
        links: Sequence[SpanContext],
    ) -> Generator[Span]:
        with self._tracer.start_as_current_span(
            name,
            context,
            kind,
            attributes,
            [Link(link) for link in links],
            # Their texts may contain what people typed.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Exception as error:
                failed(span, type(error).__qualname__)
                raise


def failed(span: Span, error_type: str) -> None:
    """Mark a span as failed. ``error_type``: a code or the name of a class."""
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)


def _inside(parent: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())
