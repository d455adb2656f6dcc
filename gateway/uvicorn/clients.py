"""Whose a connection or a request is, before the application sees it."""

from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.limits.networks import network_of


def is_proxy(app: Any, host: str | None) -> bool:
    """Whether the peer is a trusted proxy: only the application knows its clients."""
    return host is not None and isinstance(app, ProxyHeadersMiddleware) and host in app.trusted_hosts


def client_network(app: Any, host: str | None, forwarded_for: bytes) -> str:
    """The network of the client, as rate limits count it. ``forwarded_for``: what X-Forwarded-For says."""
    if forwarded_for and is_proxy(app, host):
        host = app.trusted_hosts.get_trusted_client_address(forwarded_for.decode("latin-1"))[0] or host
    return network_of(host)
