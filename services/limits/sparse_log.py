"""Rate-limited log lines, for events that any client can cause."""

import structlog

from services.limits.rates import Rate, RateLimit, RateLimited

# Enough to identify the client, without letting a flood fill the log.
RATE = Rate(10, 60)
_MAX_CHARS = 500


class SparseLog:
    """Warnings at a rate of ten a minute in each process, so that no flood fills the log with them.

    The next line that is let through says how many were left out (``left_out``). Texts are cut at 500 characters.
    """

    def __init__(self, name: str) -> None:
        self._log = structlog.stdlib.get_logger(name)
        self._limit = RateLimit(RATE)
        self._left_out = 0

    def warning(self, event: str, **fields: str) -> None:
        """Write one line, or count it as left out."""
        try:
            self._limit.check(None)
        except RateLimited:
            self._left_out += 1
            return
        left_out = {"left_out": self._left_out} if self._left_out else {}
        self._left_out = 0
        self._log.warning(event, **{name: text[:_MAX_CHARS] for name, text in fields.items()}, **left_out)
