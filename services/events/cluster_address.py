"""The address of a Redis Cluster in its setting."""

import re
from dataclasses import dataclass, field

from services.events.redis_nodes import Node

DEFAULT_PORT = 6379
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
        return f"{self.scheme}://{self.login}{_shown(node)}/0{self.query}"


def parse(url: str) -> ClusterAddress | None:
    """None: the scheme is another one. Raises: BadClusterUrl."""
    scheme, _, after = url.partition("://")
    if scheme not in CLUSTER:
        return None
    authority = re.split("[/?#]", after, maxsplit=1)[0]
    login, at, hosts = authority.rpartition("@")
    path, mark, query = after.removeprefix(authority).partition("?")
    if path.strip("/") not in {"", "0"}:
        raise BadClusterUrl(f"has {path!r} after the hosts: a cluster has no numbered databases")
    nodes = tuple(_node(item) for item in hosts.split(","))
    if twice := next((node for node in nodes if nodes.count(node) > 1), None):
        raise BadClusterUrl(f"names the node {_shown(twice)} twice")
    shown = f"{scheme}://{','.join(map(_shown, nodes))}"
    return ClusterAddress(shown, nodes, scheme.partition("+")[0], login + at, mark + query)


def _node(text: str) -> Node:
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([0-9]+))?", text)
    if found is None or not (found[1] or found[2]):
        raise BadClusterUrl(f"{text!r} is not the address of a node: {CLUSTER_FORM}")
    port = int(found[3] or DEFAULT_PORT)
    if not 0 < port <= 65535:
        raise BadClusterUrl("its port is not a number up to 65535")
    return Node(found[1] or found[2], port)


def _shown(node: Node) -> str:
    return f"[{node.host}]:{node.port}" if ":" in node.host else f"{node.host}:{node.port}"
