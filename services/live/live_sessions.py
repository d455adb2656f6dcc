"""Closes the sockets of sessions that have ended."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal
from uuid import UUID

import structlog

from services.accounts.session_checks import SessionChecks
from services.errors import DatabaseUnavailable
from services.runtime.counters import Counters
from services.runtime.expiring_map import ExpiringMap
from services.runtime.tasks import cancel_and_wait, keep_running
from services.runtime.waits import about

_log = structlog.stdlib.get_logger(__name__)

CHECK_INTERVAL_S = 1.0
# The number of sessions in one statement.
CHECKED_AT_ONCE = 1000
# Longer than any statement may take: a caller that read the session before its end has registered by then.
ENDED_TTL_S = 60.0
MAX_ENDED = 100_000


class LiveSessions:
    """Closes everything that belongs to a session as soon as the session has ended.

    Log-outs arrive on the bus immediately. Once a second one statement also asks the database which sessions have
    changed: log-outs that the bus has lost, deactivated users, and what was changed by hand. The sessions that are
    new here, have changed, or expire now are looked at, and every other one about once a minute.
    """

    def __init__(
        self,
        checks: SessionChecks,
        counters: Counters,
        *,
        topic: str,
        listen: Callable[[str], AbstractAsyncContextManager[AsyncIterator[bytes]]],
    ) -> None:
        self._checks = checks
        self._counters = counters
        self._topic = topic
        self._listen = listen
        self._closers: dict[UUID, dict[object, Callable[[], None]]] = {}
        # When each session must be looked at, by the loop's clock.
        self._look_at: dict[UUID, float] = {}
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
        # It was read before it was registered: of an end in between this process may have heard before.
        self._look_at.setdefault(session_id, 0.0)

        def unregister() -> None:
            closers = self._closers.get(session_id, {})
            closers.pop(key, None)
            if not closers:
                self._closers.pop(session_id, None)
                self._look_at.pop(session_id, None)

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
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                await self._check()
            except DatabaseUnavailable as error:
                _log.warning("sessions cannot be checked", error=str(error))
            except Exception:
                _log.exception("checking sessions failed")

    async def _check(self) -> None:
        if not self._look_at:
            return
        # Before the looks: what changes after a look is in the next answer.
        changed = await self._checks.changed()
        for session_id in self._look_at if changed is None else self._look_at.keys() & changed:
            self._look_at[session_id] = 0.0
        now = asyncio.get_running_loop().time()
        due = [session_id for session_id, at in self._look_at.items() if at <= now]
        for first in range(0, len(due), CHECKED_AT_ONCE):
            await self._check_some(due[first : first + CHECKED_AT_ONCE])

    async def _check_some(self, session_ids: Sequence[UUID]) -> None:
        now = asyncio.get_running_loop().time()
        looks = await self._checks.look_at(session_ids)
        # Spread, because many sockets come together after a restart; none later than in ``recheck_s``.
        next_at = {session_id: now + about(0.75 * self._checks.recheck_s) for session_id in session_ids}
        for look in looks:
            next_at[look.id] = min(next_at[look.id], now + (look.ends_in_s or 0.0))
            if look.ends_in_s is None:
                self._end(look.id)
        for session_id in self._look_at.keys() & next_at.keys():
            self._look_at[session_id] = next_at[session_id]
        # A socket counts as use of its session.
        await self._checks.touch([look.id for look in looks if look.is_touch_due])
