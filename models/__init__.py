"""The tables, and the pure rules of a trip's life.

Tortoise finds the tables through this package. Nothing here does I/O, except the tables' own methods.
"""

from models.email_token import EmailToken
from models.letter import Letter
from models.outbox import OutboxEntry
from models.push import PushChange, PushMessage, PushSubscription
from models.rating import Rating
from models.session import Session
from models.staff_action import StaffAction
from models.trip import Trip
from models.trip_change import TripChange
from models.unreferenced_photo import UnreferencedPhoto
from models.user import User
from models.webhook import WebhookDelivery, WebhookEndpoint

__all__ = [
    "EmailToken",
    "Letter",
    "OutboxEntry",
    "PushChange",
    "PushMessage",
    "PushSubscription",
    "Rating",
    "Session",
    "StaffAction",
    "Trip",
    "TripChange",
    "UnreferencedPhoto",
    "User",
    "WebhookDelivery",
    "WebhookEndpoint",
]
