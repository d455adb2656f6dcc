"""Starts the parts of an application in order, and stops them in reverse within one time limit."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import structlog

from application.application import Application
from services.database.instance_lock import AnotherServer, InstanceLock
from services.runtime.tasks import cancel_and_wait, log_failure

_log = structlog.stdlib.get_logger(__name__)

# The share of SHUTDOWN_TIMEOUT_S in which the parts stop, after the requests (serving.py). The rest is for the
# process to exit.
SHARE_OF_PARTS = 0.3


@asynccontextmanager
async def running(application: Application) -> AsyncGenerator[None]:
    """Start everything but the HTTP server in order; stop it in reverse at the end of the block.

    Raises: AnotherServer: another server holds the lock at the start, or this server lost the lock and stopped.
    """
    instance_lock = InstanceLock(application.settings, on_lost=application.on_database_lost)
    async with _Shutdown(application.settings.shutdown_timeout_s * SHARE_OF_PARTS) as shutdown:
        shutdown.add("traces", application.report_traces)
        await application.loop_lag.start()
        shutdown.add("loop_lag", application.loop_lag.stop)
        await instance_lock.acquire()
        shutdown.add("lock", instance_lock.release)
        await application.database.connect()
        shutdown.add("database", application.database.disconnect)
        await application.replicas.start()
        shutdown.add("replicas", application.replicas.stop)
        await instance_lock.watch(application.database)
        await application.bus.connect()
        shutdown.add("bus", application.bus.disconnect)
        if application.redis is not None:
            await application.promotions.start()
        shutdown.add("promotions", application.promotions.stop)
        shutdown.add("routing", application.router.close)
        await application.outbox.start()
        shutdown.add("outbox", application.outbox.stop)
        shutdown.add("subscriptions", application.services.hub.stop)
        shutdown.add("changes", application.shield.drain)
        await application.live_sessions.start()
        shutdown.add("sessions", application.live_sessions.stop)
        await application.mailer.start()
        shutdown.add("mailer", application.mailer.stop)
        shutdown.add("outgoing", application.outgoing.close)
        shutdown.add("push client", application.push_client.close)
        await application.push_worker.start()
        shutdown.add("push", application.push_worker.stop)
        await application.webhook_sender.start()
        shutdown.add("webhooks", application.webhook_sender.stop)
        await application.periodic_jobs.start()
        shutdown.add("periodic_jobs", application.periodic_jobs.stop)
        # Do not wait for the photo store: an unreachable bucket must not stop trips.
        looking = asyncio.create_task(application.photo_store.check_now(), name="look at the photos")
        looking.add_done_callback(log_failure)
        shutdown.add("photos", lambda: cancel_and_wait([looking]))
        yield
    if instance_lock.is_lost:
        raise AnotherServer


class _Shutdown:
    """Stops the parts that were added within the block, at its end, the last one first.

    All parts share ``timeout_s``. A part that exceeds it is cancelled and logged. The parts after it are cancelled
    as soon as they wait: each must release what it holds when it is cancelled.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._deadline: float | None = None
        self._stack = AsyncExitStack()

    def add(self, name: str, stop: Callable[[], Awaitable[None]]) -> None:
        """Call ``stop`` at the end of the block."""
        self._stack.push_async_callback(self._stop, name, stop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    async def _stop(self, name: str, stop: Callable[[], Awaitable[None]]) -> None:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._timeout_s
        limit = asyncio.timeout_at(self._deadline)
        try:
            async with limit:
                await stop()
        except TimeoutError:
            if not limit.expired():
                raise
            _log.warning("stopped without waiting any longer", part=name)
