"""The log of outages of Redis: one line when an outage begins and one when it ends."""

import asyncio
from collections.abc import Mapping

import structlog

from services.events.redis_errors import SETTING, words

_log = structlog.stdlib.get_logger(__name__)


class Outage:
    """An outage, with one log line when it begins and one when it ends."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began_at: float | None = None

    @property
    def is_on(self) -> bool:
        return self._began_at is not None

    def begin(self, error: str | BaseException, hint: str, fields: Mapping[str, str]) -> None:
        if self._began_at is None:
            self._began_at = asyncio.get_running_loop().time()
            _log.warning(self._what, setting=SETTING, **fields, error=words(error), hint=hint)

    def end(self, fields: Mapping[str, str]) -> None:
        if self._began_at is not None:
            lasted_s = asyncio.get_running_loop().time() - self._began_at
            self._began_at = None
            # Also a warning: each line is useless without the other.
            _log.warning(f"{self._what.partition(':')[0]} no more", **fields, lasted_s=round(lasted_s, 1))
