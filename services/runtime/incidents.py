"""What nobody has foreseen: the log has all of it, whoever asked is shown a number."""

import uuid

import structlog

from services.database.postgres import (DatabaseUnavailable, reason)

_log = structlog.stdlib.get_logger(__name__)


def report(error: BaseException) -> str:
    """Log an unexpected failure whole; returns the id that finds the line."""
    incident_id = uuid.uuid4().hex
    if isinstance(error, DatabaseUnavailable):
        # During an outage every request has one of these, and where in our code says nothing.
        _log.error("incident", incident_id=incident_id, error=f"the database: {reason(error)}")
    else:
        _log.error("incident", incident_id=incident_id, exc_info=error)
    return incident_id


def shown(incident_id: str) -> str:
    """What whoever asked is told of it."""
    return f"Something went wrong on our side (incident {incident_id})."
