"""`vapid-keys`."""

import typer

from application.settings import PREFIX
from services.notifications.web_push import new_keys


def vapid_keys() -> None:
    """Make the keys for push messages to browsers, and print the settings. Nothing is stored."""
    private_key, public_key = new_keys()
    typer.echo(f"{PREFIX}VAPID_PRIVATE_KEY={private_key}")
    typer.echo(f"{PREFIX}VAPID_SUBJECT=mailto:you@your.example")
    typer.echo(
        "Keep the private key secret, and use it for good: subscriptions are for it alone. The address is for the "
        f"operators of push services. Browsers get the public key from the API: {public_key}",
        err=True,
    )
