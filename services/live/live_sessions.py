"""Closes the sockets of sessions that have ended."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal
from uuid import UUID

import structlog

from services.accounts.sessions import Sessions
from services.errors import DatabaseUnavailable
from services.runtime.counters import Counters
from services.runtime.expiring_map import ExpiringMap
from services.runtime.tasks import cancel_and_wait, keep_running

_log = structlog.stdlib.get_logger(__name__)

CHECK_INTERVAL_S = 1.0
# A quarter of the shortest time that a session may stay unused.
TOUCH_INTERVAL_S = 15.0
# Longer than any statement may take: a caller that read the session before its end has registered by then.
ENDED_TTL_S = 60.0
MAX_ENDED = 100_000


class LiveSessions:
    """Closes everything that belongs to a session as soon as the session has ended.

    Log-outs arrive on the bus immediately. One statement a second also checks all sessions in the database. It
    finds expired sessions, deactivated users, and log-outs that the bus has lost.
    """

    def __init__(
        self,
        sessions: Sessions,
        counters: Counters,
        *,
        topic: str,
        listen: Callable[[str], AbstractAsyncContextManager[AsyncIterator[bytes]]],
    ) -> None:
        self._sessions = sessions
        self._counters = counters
        self._topic = topic
        self._listen = listen
        self._closers: dict[UUID, dict[object, Callable[[], None]]] = {}
        # Sessions that ended recently.
        self._ended = ExpiringMap[UUID, Literal[True]](MAX_ENDED)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def count(self) -> int:
        """How many sessions have sockets here."""
        return len(self._closers)

    async def start(self) -> None:
        """Start watching for ended sessions."""
        listening = asyncio.get_running_loop().create_future()
        self._tasks = [
            asyncio.create_task(
                keep_running("session ends", functools.partial(self._listen_for_ends, listening), self._counters)
            ),
            asyncio.create_task(keep_running("session checks", self._check_often, self._counters)),
        ]
        await listening

    async def stop(self) -> None:
        """Stop watching."""
        await cancel_and_wait(self._tasks)

    def register(self, session_id: UUID, close: Callable[[], None]) -> Callable[[], None]:
        """Call ``close`` when the session ends. Call the result to unregister it.

        If the session ended after the caller read it, ``close`` is called immediately.
        """
        key = object()
        self._closers.setdefault(session_id, {})[key] = close

        def unregister() -> None:
            closers = self._closers.get(session_id, {})
            closers.pop(key, None)
            if not closers:
                self._closers.pop(session_id, None)

        if self._ended.get(session_id, now_s=asyncio.get_running_loop().time()):
            self._close(close)
        return unregister

    def _end(self, session_id: UUID) -> None:
        now = asyncio.get_running_loop().time()
        self._ended.put(session_id, True, until_s=now + ENDED_TTL_S, now_s=now)
        for close in list(self._closers.get(session_id, {}).values()):
            self._close(close)

    def _close(self, close: Callable[[], None]) -> None:
        try:
            close()
        except Exception:
            # One failure must not leave the other sockets open.
            _log.exception("closing failed")

    async def _listen_for_ends(self, listening: "asyncio.Future[None]") -> None:
        async with self._listen(self._topic) as messages:
            if not listening.done():
                listening.set_result(None)
            async for message in messages:
                try:
                    session_id = UUID(message.decode())
                except ValueError:
                    _log.warning("session end cannot be decoded")
                    continue
                self._end(session_id)

    async def _check_often(self) -> None:
        loop = asyncio.get_running_loop()
        touched = loop.time()
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                for session_id in await self._sessions.ended_among(list(self._closers)):
                    self._end(session_id)
                if loop.time() - touched >= TOUCH_INTERVAL_S:
                    # A socket counts as use of its session.
                    await self._sessions.touch(list(self._closers))
                    touched = loop.time()
            except DatabaseUnavailable as error:
                _log.warning("sessions cannot be checked", error=str(error))
            except Exception:
                _log.exception("checking sessions failed")
