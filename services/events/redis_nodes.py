"""Which server has which name: one Redis, or the nodes of a Redis Cluster."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from redis.crc import key_slot
from redis.exceptions import RedisError

from services.events.redis_errors import LINK_ERRORS, ClusterDown, is_final

# How long the nodes that have not answered are waited for, after another one has.
GRACE_S = 0.2


class Node(NamedTuple):
    """The address of a node of a cluster."""

    host: str
    port: int


class Placement(Protocol):
    """Says which server has a name. Names of one slot are always on the same server.

    Between two calls of ``find`` nothing changes: a process that meets a slot that has moved ends its link, and
    finds the owners anew.
    """

    @property
    def is_cluster(self) -> bool: ...

    def slot(self, name: str) -> int:
        """The slot of a key or channel."""
        ...

    def owner(self, slot: int) -> Node | None:
        """The server of a slot; None: the only one. Raises: ConnectionError: it is not known."""
        ...

    async def find(self) -> None:
        """Find the servers anew. Raises: LINK_ERRORS."""
        ...


class SingleServer:
    """All names are on one server."""

    is_cluster = False

    def slot(self, name: str) -> int:
        return 0

    def owner(self, slot: int) -> None:
        return None

    async def find(self) -> None:
        pass


class _Answer(NamedTuple):
    """What one node says: the newest one of those that see a working cluster is right."""

    is_up: bool
    epoch: int
    # First and last slot, and the nodes: the primary first.
    ranges: Sequence[tuple[int, int, Sequence[Node]]]


# Asks a node, by any connection to it, for CLUSTER INFO and CLUSTER SLOTS.
Ask = Callable[[Node], Awaitable[tuple[Mapping[str, str], Sequence[Any]]]]


class ClusterSlots:
    """The primaries of a cluster, by slot."""

    is_cluster = True

    def __init__(self, nodes: Sequence[Node], ask: Ask) -> None:
        """``nodes``: those that are asked first; later, also the others."""
        self._configured = nodes
        self._ask = ask
        self._known: Collection[Node] = ()
        self._ranges: Sequence[tuple[int, int, Sequence[Node]]] = ()
        self._owners: dict[int, Node] = {}

    def slot(self, name: str) -> int:
        return key_slot(name.encode())

    def owner(self, slot: int) -> Node:
        owner = self._owners.get(slot)
        if owner is None:
            owner = self._owners[slot] = self._look_up(slot)
        return owner

    def _look_up(self, slot: int) -> Node:
        for first, last, nodes in self._ranges:
            if first <= slot <= last:
                return nodes[0]
        raise ClusterDown(f"no node of the cluster serves the slot {slot}")

    async def find(self) -> None:
        """Ask all nodes, and believe the newest answer: a node that is cut off from the others gives an old one.

        Raises:
            ClusterDown: the nodes that answer have no working cluster.
            LINK_ERRORS: none answers, or an address is of no cluster.
        """
        asked = list(dict.fromkeys((*self._configured, *self._known)))
        # So that not all processes ask the same node first.
        random.shuffle(asked)
        answers, error = await self._answers(asked)
        if not answers:
            raise error or ConnectionError("no node of the cluster answers")
        best = max(answers, key=lambda answer: (answer.is_up, answer.epoch))
        if not best.is_up:
            raise ClusterDown("the cluster is down: nodes are missing, or have no majority")
        self._ranges, self._owners = best.ranges, {}
        self._known = {node for _, _, nodes in best.ranges for node in nodes}

    async def _answers(self, nodes: Sequence[Node]) -> tuple[Sequence[_Answer], Exception | None]:
        """What the nodes answer, and an error: rather one that lasts."""
        tasks = {asyncio.create_task(self._answer(node)) for node in nodes}
        answers: list[_Answer] = []
        error: Exception | None = None
        try:
            waiting = tasks
            while waiting:
                # A node that hangs delays nothing if another one has answered.
                done, waiting = await asyncio.wait(
                    waiting, timeout=GRACE_S if answers else None, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                for task in done:
                    try:
                        answers.append(task.result())
                    except LINK_ERRORS as failure:
                        error = failure if error is None or is_final(failure) else error
        finally:
            for task in tasks:
                task.cancel()
        return answers, error

    async def _answer(self, node: Node) -> _Answer:
        info, slots = await self._ask(node)
        try:
            ranges = [
                (first, last, [Node(_host(each, node), each[1]) for each in nodes])
                for first, last, *nodes in slots
            ]
            return _Answer(info["cluster_state"] == "ok", int(info["cluster_current_epoch"]), ranges)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise RedisError(f"its answer about the cluster is not understood: {error}") from None


def _host(entry: Sequence[Any], asked: Node) -> str:
    """The host of a node; one that does not know its own is the one that was asked."""
    host: bytes | None = entry[0]
    return host.decode() if host else asked.host
