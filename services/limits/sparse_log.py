"""Rate-limited log lines, for events that any client can cause."""

import structlog

from services.limits.rates import Rate, RateLimit, RateLimited

# Enough to identify the client, without letting a flood fill the log.
RATE = Rate(10, 60)
_MAX_CHARS = 500


class SparseLog:
    """Logs at most ten warnings a minute in each process, so that a flood does not fill the log.

    The next line that is written has the number of dropped lines (``left_out``). Texts are cut at 500 characters.
    """

    def __init__(self, name: str) -> None:
        self._log = structlog.stdlib.get_logger(name)
        self._limit = RateLimit(RATE)
        self._left_out = 0

    def warning(self, event: str, **fields: str) -> None:
        """Write one line, or count it as dropped."""
        try:
            self._limit.check(None)
        except RateLimited:
            self._left_out += 1
            return
        left_out = {"left_out": self._left_out} if self._left_out else {}
        self._left_out = 0
        self._log.warning(event, **{name: text[:_MAX_CHARS] for name, text in fields.items()}, **left_out)
