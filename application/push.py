"""Builds what signs push messages from the settings."""

from application.settings import Settings
from services.notifications.web_push import VapidKeys


def vapid_keys(settings: Settings) -> VapidKeys | None:
    """The keys of ``VAPID_PRIVATE_KEY``; None: no push messages are sent."""
    if settings.vapid_private_key is None or settings.vapid_subject is None:
        return None
    return VapidKeys(settings.vapid_private_key, settings.vapid_subject)
