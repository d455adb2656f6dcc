"""Unexpected errors: the log has the details, the client sees only an id."""

import uuid

import structlog

from services.errors import DatabaseUnavailable

_log = structlog.stdlib.get_logger(__name__)


def report(error: BaseException) -> str:
    """Log an unexpected error in full; returns the incident id of the log line."""
    incident_id = uuid.uuid4().hex
    if isinstance(error, DatabaseUnavailable):
        # During an outage every request fails this way, and the traceback says nothing new.
        _log.error("incident", incident_id=incident_id, error=f"the database: {error}")
    else:
        _log.error("incident", incident_id=incident_id, exc_info=error)
    return incident_id


def shown(incident_id: str) -> str:
    """The message shown to the client."""
    return f"Something went wrong on our side (incident {incident_id})."
