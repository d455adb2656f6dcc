"""An execution that traces operations."""

from typing import Any

from graphql import ExecutionResult

from schema.api.context import Context
from schema.operations.documents import Operation
from schema.operations.execution import Execution, Following, Refusal, Request
from services.tracing.tracing import Attributes, Span, SpanKind, Tracing, failed

# A client chooses the name.
_NAME_CHARS = 100


class TracedExecution(Execution):
    """Gives each operation a span, also on a WebSocket, where no request is around it.

    The span does not have the document, which may contain what people typed.
    """

    def __init__(self, *args: Any, tracing: Tracing, **options: Any) -> None:
        """``args`` and ``options``: as of an Execution."""
        super().__init__(*args, **options)
        self._tracing = tracing

    async def run(self, operation: Operation, request: Request, context: Context) -> ExecutionResult | Refusal:
        """Execute a query or a mutation in a span."""
        kind = operation.type.value
        with self._tracing.span(kind, kind=SpanKind.SERVER, attributes=_about(operation)) as span:
            result = await super().run(operation, request, context)
            _note_errors(span, result)
            return result

    async def follow(self, operation: Operation, request: Request, context: Context) -> Following | Refusal:
        """Begin a subscription in a span, which does not include its events."""
        kind = operation.type.value
        with self._tracing.span(kind, kind=SpanKind.SERVER, attributes=_about(operation)) as span:
            result = await super().follow(operation, request, context)
            if isinstance(result, Refusal):
                _note_errors(span, result)
            return result


def _about(operation: Operation) -> Attributes:
    about = {"graphql.operation.type": operation.type.value}
    if operation.name is not None:
        about["graphql.operation.name"] = operation.name[:_NAME_CHARS]
    return about


def _note_errors(span: Span, result: ExecutionResult | Refusal) -> None:
    if result.errors:
        first = result.errors[0]
        code = (first.extensions or {}).get("code") or type(first.original_error or first).__name__
        failed(span, str(code))
