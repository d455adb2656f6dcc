"""How an application starts and stops."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from application.application import Application
from application.shutdown import Shutdown
from services.database.instance_lock import AnotherServer, InstanceLock
from services.runtime.tasks import cancel_and_wait, log_failure

# The share of SHUTDOWN_TIMEOUT_S in which the parts stop, after the requests (serving.py). The rest is for the
# process to exit.
SHARE_OF_PARTS = 0.3


@asynccontextmanager
async def running(application: Application) -> AsyncGenerator[None]:
    """Start everything but the HTTP server in order; stop it in reverse at the end of the block.

    Raises: AnotherServer: another server holds the lock at the start, or this server lost the lock and stopped.
    """
    instance_lock = InstanceLock(application.settings, on_lost=application.on_database_lost)
    async with Shutdown(application.settings.shutdown_timeout_s * SHARE_OF_PARTS) as shutdown:
        await application.loop_lag.start()
        shutdown.add("loop_lag", application.loop_lag.stop)
        await instance_lock.acquire()
        shutdown.add("lock", instance_lock.release)
        await application.database.connect()
        shutdown.add("database", application.database.disconnect)
        await instance_lock.watch(application.database)
        await application.bus.connect()
        shutdown.add("bus", application.bus.disconnect)
        shutdown.add("routing", application.router.close)
        await application.outbox.start()
        shutdown.add("outbox", application.outbox.stop)
        shutdown.add("subscriptions", application.services.hub.stop)
        shutdown.add("changes", application.shield.drain)
        await application.live_sessions.start()
        shutdown.add("sessions", application.live_sessions.stop)
        await application.periodic_jobs.start()
        shutdown.add("periodic_jobs", application.periodic_jobs.stop)
        # Do not wait for the photo store: an unreachable bucket must not stop trips.
        looking = asyncio.create_task(application.photo_store.check_now(), name="look at the photos")
        looking.add_done_callback(log_failure)
        shutdown.add("photos", lambda: cancel_and_wait([looking]))
        yield
    if instance_lock.is_lost:
        raise AnotherServer
