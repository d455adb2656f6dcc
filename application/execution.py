"""Builds the execution of operations from the settings."""

import functools

from application.errors import StartError
from application.settings import PREFIX, Settings
from schema.build import build_schema
from schema.operations.execution import Execution
from schema.operations.limits import Limits
from schema.operations.traced_execution import TracedExecution
from schema.operations.trusted_documents import BadManifest, read_manifest
from services.runtime.counters import Counters
from services.tracing.tracing import Tracing


def limits_of(settings: Settings) -> Limits:
    """The limits of one operation."""
    return Limits(
        chars=settings.max_document_chars,
        tokens=settings.max_tokens,
        depth=settings.max_depth,
        aliases=settings.max_aliases,
        directives=settings.max_directives,
        list_items=settings.max_list_items,
        root_fields=settings.max_root_fields,
        cost=settings.max_cost,
    )


def build_execution(
    settings: Settings, tracing: Tracing | None = None, counters: Counters | None = None
) -> Execution:
    """Build the execution of operations, traced and counted or not.

    Raises:
        StartError: the trusted documents cannot be used.
    """
    try:
        new = Execution if tracing is None else functools.partial(TracedExecution, tracing=tracing)
        return new(
            build_schema(federation=settings.federation, shows_sdl=settings.introspection),
            introspection=settings.introspection,
            suggestions=settings.suggestions,
            limits=limits_of(settings),
            persisted_queries=settings.persisted_queries,
            trusted=read_manifest(settings.trusted_documents) if settings.trusted_documents is not None else None,
            timeout_s=settings.operation_timeout_s,
            times=counters.operations if counters is not None else None,
        )
    except BadManifest as error:
        raise StartError(f"{PREFIX}TRUSTED_DOCUMENTS: {error}") from None
