"""Adding, changing and testing endpoints, and sending dead letters again: for staff, and for the command line."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from models.webhook import DisabledBy
from services.database.connections import Database, Transaction
from services.database.dialects import moment
from services.errors import BadInput
from services.events.handover import Handover
from services.notifications.outgoing import AddressRefused, NoAnswer, OutgoingClient
from services.runtime.shield import Shield
from services.webhooks.deliveries import Deliveries
from services.webhooks.endpoints import Endpoint, Endpoints
from services.webhooks.events import EVENT_TYPES

MAX_DESCRIPTION_CHARS = 200

# Done in the transaction of a change to that endpoint; an exception undoes the change.
Also = Callable[[Transaction, Endpoint], Awaitable[None]]


async def nothing(_: Transaction, __: Endpoint) -> None:
    """An ``Also`` that does nothing."""


class WebhookManagement:
    """What can be done with endpoints. Each does ``also`` in its transaction."""

    def __init__(
        self,
        database: Database,
        shield: Shield,
        *,
        endpoints: Endpoints,
        deliveries: Deliveries,
        client: OutgoingClient,
        handover: Handover,
        wake: Callable[[], None],
    ) -> None:
        """``wake``: called after the commit of a delivery."""
        self._database = database
        self._shield = shield
        self.endpoints = endpoints
        self._deliveries = deliveries
        self._client = client
        self._handover = handover
        self._wake = wake

    async def add(
        self, *, url: str, description: str = "", event_types: Sequence[str] = (), also: Also = nothing
    ) -> tuple[Endpoint, str]:
        """Add an endpoint; returns it and its secret, which is shown this once.

        Raises:
            BadInput: the address is not one that webhooks may be sent to, its host is not found, the description
                is too long or has control characters, a type is unknown, or there are too many endpoints.
        """
        url, description = url.strip(), description.strip()
        if len(description) > MAX_DESCRIPTION_CHARS or not description.isprintable():
            raise BadInput(
                f"The description may have {MAX_DESCRIPTION_CHARS} characters, in one line.",
                field=("description",),
            )
        if unknown := sorted(set(event_types) - set(EVENT_TYPES)):
            raise BadInput(f"There is no event type {unknown[0]!r}.", field=("eventTypes",))
        try:
            await self._client.check(url)
        except (AddressRefused, NoAnswer) as error:
            raise BadInput(f"Nothing can be sent to this address: {error}.", field=("url",)) from None
        wanted = [each for each in EVENT_TYPES if each in event_types]
        if len(wanted) == len(EVENT_TYPES):
            # All: also those of later versions.
            wanted = []

        async def add() -> tuple[Endpoint, str]:
            async with self._database.transaction() as transaction:
                endpoint, secret = await self.endpoints.add(
                    transaction, url=url, description=description, event_types=wanted
                )
                await also(transaction, endpoint)
            self._handover.expect()
            return endpoint, secret

        return await self._shield.run(add())

    async def rotate(self, endpoint_id: UUID, *, also: Also = nothing) -> str:
        """Give an endpoint another secret, which is shown this once. For a day, both sign.

        Raises: NoSuchEndpoint
        """

        async def rotate() -> str:
            async with self._database.transaction() as transaction:
                endpoint, secret = await self.endpoints.rotate(transaction, endpoint_id)
                await also(transaction, endpoint)
            return secret

        return await self._shield.run(rotate())

    async def enable(self, endpoint_id: UUID, *, also: Also = nothing) -> None:
        """Send to an endpoint again. Raises: NoSuchEndpoint."""

        async def enable() -> None:
            async with self._database.transaction() as transaction:
                await also(transaction, await self.endpoints.enable(transaction, endpoint_id))
            self._handover.expect()
            self._wake()

        await self._shield.run(enable())

    async def disable(self, endpoint_id: UUID, *, also: Also = nothing) -> None:
        """Send nothing more to an endpoint. What waits for it stays for a day. Raises: NoSuchEndpoint."""

        async def disable() -> None:
            async with self._database.transaction() as transaction:
                await also(transaction, await self.endpoints.disable(transaction, endpoint_id, DisabledBy.STAFF))

        await self._shield.run(disable())

    async def delete(self, endpoint_id: UUID, *, also: Also = nothing) -> None:
        """Delete an endpoint with its deliveries. If that is interrupted, it is disabled.

        Raises: NoSuchEndpoint
        """

        async def delete() -> None:
            async with self._database.transaction() as transaction:
                await also(transaction, await self.endpoints.disable(transaction, endpoint_id, DisabledBy.STAFF))
            while await self._deliveries.remove_some(endpoint_id):
                pass
            await self.endpoints.delete(self._database, endpoint_id)

        await self._shield.run(delete())

    async def test(self, endpoint_id: UUID, *, also: Also = nothing) -> None:
        """Send a test event, whatever types the endpoint hears of.

        Raises:
            NoSuchEndpoint
            BadInput: it is disabled.
        """

        async def test() -> None:
            async with self._database.transaction() as transaction:
                endpoint = await self.endpoints.find(transaction, endpoint_id)
                if endpoint.disabled is not None:
                    raise BadInput("This endpoint is disabled: enable it first.")
                await self._deliveries.add_test(transaction, endpoint_id)
                await also(transaction, endpoint)
            self._wake()

        await self._shield.run(test())

    async def send_again(self, delivery_id: int, *, also: Also = nothing) -> None:
        """Send a dead letter again.

        Raises:
            NoSuchDelivery: there is none, or it is no dead letter.
        """

        async def send_again() -> None:
            async with self._database.transaction() as transaction:
                endpoint_id = await self._deliveries.send_again(transaction, delivery_id)
                await also(transaction, await self.endpoints.find(transaction, endpoint_id))
            self._wake()

        await self._shield.run(send_again())

    async def send_all_again(self, endpoint_id: UUID, *, also: Also = nothing) -> int:
        """Send all dead letters of an endpoint again, a few at a time; returns how many.

        Raises: NoSuchEndpoint
        """

        async def send_all_again() -> int:
            async with self._database.transaction() as transaction:
                await also(transaction, await self.endpoints.find(transaction, endpoint_id))
                (row,) = await transaction.fetch("SELECT {now} AS now")
            number = 0
            # Only those that were dead before: some may fail again meanwhile.
            while some := await self._deliveries.send_some_again(endpoint_id, moment(row["now"])):
                number += some
                self._wake()
            return number

        return await self._shield.run(send_all_again())
