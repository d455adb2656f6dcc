"""Signs up the simulated riders and drivers."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from simulation import operations
from simulation.client import Client, Failed, Limited
from simulation.counts import Counts
from simulation.habits import Habits
from simulation.names import FIRST_NAMES, LAST_NAMES, VEHICLES
from simulation.options import CannotSimulate


class SignUpFailed(CannotSimulate):
    """The server refuses sign-ups or log-ins."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account that was signed up. ``id``: the user's."""

    id: str
    token: str


class Registration:
    """Signs up the people of one run.

    User names and passwords do not depend on the seed: a second run on the same server creates new accounts, and
    the passwords cannot be guessed.
    """

    def __init__(
        self, http: httpx.AsyncClient, counts: Counts, habits: Habits, on_done: Callable[[], None]
    ) -> None:
        self._client = Client(http, counts)
        self._habits = habits
        self._on_done = on_done
        self._run = secrets.token_hex(4)

    async def sign_up(self, role: str, number: int) -> Account:
        """A new rider or driver; a driver has a vehicle. Raises: SignUpFailed."""
        username = f"{role.lower()}-{number}-{self._run}@simulation.example"
        password = secrets.token_urlsafe(18)
        person = {
            "username": username,
            "password1": password,
            "password2": password,
            "firstName": self._habits.one_of(FIRST_NAMES),
            "lastName": self._habits.one_of(LAST_NAMES),
            "role": role,
            "vehicle": self._vehicle(number) if role == "DRIVER" else None,
        }
        try:
            signed_up = await self._client.insist(operations.SIGN_UP, input=person)
            # USERNAME_TAKEN: an earlier attempt succeeded but its answer was lost. The account is ours.
            if refusals := [error for error in signed_up["errors"] if error["code"] != "USERNAME_TAKEN"]:
                raise SignUpFailed(f"the server refuses sign-ups: {refusals[0]['message']}")
            logged_in = await self._client.insist(operations.LOG_IN, username=username, password=password)
        except Limited:
            raise SignUpFailed(
                "the server limits sign-ups from one address: set TAXIRANK_SIGN_UP_RATE=off there, "
                "and TAXIRANK_LOG_IN_RATE=off"
            ) from None
        except Failed as failure:
            raise SignUpFailed(f"the server refuses sign-ups: {failure}") from None
        if logged_in["token"] is None:
            raise SignUpFailed(f"the server refuses log-ins: {logged_in['errors'][0]['message']}")
        self._on_done()
        return Account(logged_in["user"]["id"], logged_in["token"])

    def _vehicle(self, number: int) -> dict[str, object]:
        make, model, color, seats = self._habits.one_of(VEHICLES)
        plate = f"SIM-{number:03}"
        return {"make": make, "model": model, "color": color, "licensePlate": plate, "seats": seats}
