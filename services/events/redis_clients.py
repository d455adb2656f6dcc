"""Clients of one Redis or of the nodes of a cluster: each command goes to the server that has its names."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from services.events.redis_errors import LINK_ERRORS
from services.events.redis_nodes import Node, Placement

T = TypeVar("T")

# Sends a command of a client, or puts it into a pipeline.
Command = Callable[[Redis], Awaitable[Any]]


class Clients:
    """One client for each server, with connections of its own."""

    def __init__(self, placement: Placement, make: Callable[[Node | None], Redis]) -> None:
        self._placement = placement
        self._make = make
        self._clients: dict[Node | None, Redis] = {}

    @property
    def is_cluster(self) -> bool:
        return self._placement.is_cluster

    def at(self, server: Node | None) -> Redis:
        """The client of a server."""
        client = self._clients.get(server)
        if client is None:
            client = self._clients[server] = self._make(server)
        return client

    def slot(self, name: str) -> int:
        """The slot of a key or channel."""
        return self._placement.slot(name)

    def server(self, name: str) -> Node | None:
        """The server that has the name. Raises: ConnectionError: it is not known."""
        return self._placement.owner(self._placement.slot(name))

    def of(self, name: str) -> Redis:
        """The client of the server that has the name. Raises: ConnectionError: it is not known."""
        return self.at(self.server(name))

    def by_slot(self, names: Sequence[str]) -> Sequence[Sequence[int]]:
        """The positions in ``names`` of those that one command may use together."""
        if not self.is_cluster:
            return [range(len(names))]
        slots: dict[int, list[int]] = {}
        for position, name in enumerate(names):
            slots.setdefault(self._placement.slot(name), []).append(position)
        return list(slots.values())

    async def run(self, commands: Sequence[tuple[str, Command]]) -> Sequence[Any]:
        """Send each command to the server that has the name before it, in one round trip to each server.

        Raises:
            LINK_ERRORS: one of them failed. The others have been executed all the same.
        """
        return successes(await self.answers(commands))

    async def answers(self, commands: Sequence[tuple[str, Command]]) -> Sequence[Any]:
        """The answers of the servers to ``run``, with the errors that they answered.

        Raises:
            LINK_ERRORS: a server did not answer. Others have.
        """
        at: dict[Redis, list[int]] = {}
        for position, (name, _) in enumerate(commands):
            at.setdefault(self.of(name), []).append(position)
        answers: list[Any] = [None] * len(commands)

        async def send(client: Redis, positions: Sequence[int]) -> None:
            if len(positions) == 1:
                try:
                    answers[positions[0]] = await commands[positions[0]][1](client)
                except ResponseError as error:
                    answers[positions[0]] = error
                return
            async with client.pipeline(transaction=False) as pipeline:
                for position in positions:
                    _ = commands[position][1](pipeline)
                # Not raised by redis-py, which adds the command, with the keys, to the text.
                for position, answer in zip(positions, await pipeline.execute(raise_on_error=False), strict=True):
                    answers[position] = answer

        await all_of([send(client, positions) for client, positions in at.items()])
        return answers

    async def drop_connections(self) -> None:
        """Drop all connections, those in use when they are released."""
        for client in self._clients.values():
            pool = client.connection_pool
            with suppress(*LINK_ERRORS):
                await pool.update_active_connections_for_reconnect()
                await pool.disconnect(inuse_connections=False)

    async def close(self) -> None:
        for client in self._clients.values():
            with suppress(*LINK_ERRORS):
                await client.aclose()


class Script:
    """A script. Servers learn it when they need it."""

    def __init__(self, clients: Clients, text: str) -> None:
        self._clients = clients
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, calls: Sequence[tuple[Sequence[str], Iterable[Any]]]) -> Sequence[Any]:
        """Run it for each pair of keys, which are of one slot, and arguments, in one round trip to each server.

        Raises:
            LINK_ERRORS: one of the calls failed. Others may have been executed.
        """
        commands = [(keys[0], self._call(keys, arguments)) for keys, arguments in calls]
        answers = [*await self._clients.answers(commands)]
        # Only these are sent again: after a promotion one node lacks the script, and the others have run it.
        unknown = [position for position, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            again = [commands[position] for position in unknown]
            await all_of(
                [server.script_load(self._text) for server in {self._clients.of(name) for name, _ in again}]
            )
            for position, answer in zip(unknown, await self._clients.answers(again), strict=True):
                answers[position] = answer
        return successes(answers)

    def _call(self, keys: Sequence[str], arguments: Iterable[Any]) -> Command:
        return lambda client: client.evalsha(self._sha, len(keys), *keys, *arguments)


async def all_of(work: Sequence[Awaitable[T]]) -> Sequence[T]:
    """Do all side by side, to their ends; then raise the first error."""
    if len(work) == 1:
        return [await work[0]]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


def successes(answers: Sequence[Any]) -> Sequence[Any]:
    """The answers, if none is an error; raises the first one that is."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def in_order(groups: Sequence[Sequence[int]], answers: Sequence[Sequence[T]]) -> list[T]:
    """The answers to the groups of ``Clients.by_slot``, in the order of what was grouped."""
    if len(groups) == 1:
        return list(answers[0])
    found = {
        position: answer
        for group, some in zip(groups, answers, strict=True)
        for position, answer in zip(group, some, strict=True)
    }
    return [found[position] for position in range(len(found))]
