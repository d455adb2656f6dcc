"""The address of a Redis Cluster in its setting."""

import re
from dataclasses import dataclass, field

from services.events.redis_address import DEFAULT_PORT, shown_place, split_hosts
from services.events.redis_nodes import Node

CLUSTER = ("redis+cluster", "rediss+cluster")
CLUSTER_FORM = "redis+cluster://HOST:PORT,HOST:PORT"


class BadClusterUrl(ValueError):
    """The URL is not a valid address of a cluster. The text says why."""


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Some nodes of a cluster, and how connections log in. ``shown``: without user, password and options."""

    shown: str
    nodes: tuple[Node, ...]
    scheme: str = field(repr=False)
    login: str = field(repr=False)
    query: str = field(repr=False)

    def url(self, node: Node) -> str:
        """The address of one node, as redis-py takes it."""
        return f"{self.scheme}://{self.login}{shown_place(node)}/0{self.query}"


def parse(url: str) -> ClusterAddress | None:
    """None: the scheme is another one. Raises: BadClusterUrl."""
    scheme, login, hosts, rest = split_hosts(url)
    if scheme not in CLUSTER:
        return None
    path, mark, query = rest.partition("?")
    if path.strip("/") not in {"", "0"}:
        raise BadClusterUrl(f"has {path!r} after the hosts: a cluster has no numbered databases")
    nodes = tuple(_node(item) for item in hosts)
    if twice := next((node for node in nodes if nodes.count(node) > 1), None):
        raise BadClusterUrl(f"names the node {shown_place(twice)} twice")
    shown = f"{scheme}://{','.join(map(shown_place, nodes))}"
    return ClusterAddress(shown, nodes, scheme.partition("+")[0], login, mark + query)


def _node(text: str) -> Node:
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([0-9]+))?", text)
    if found is None or not (found[1] or found[2]):
        raise BadClusterUrl(f"{text!r} is not the address of a node: {CLUSTER_FORM}")
    port = int(found[3] or DEFAULT_PORT)
    if not 0 < port <= 65535:
        raise BadClusterUrl("its port is not a number up to 65535")
    return Node(found[1] or found[2], port)
