"""What a piece of work has used."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used: milliseconds of CPU; kilobytes of PostgreSQL's log, between servers and Redis, and of
    messages to and from clients (without the heads of packets).
    """

    server_ms: float = 0.0
    postgres_ms: float = 0.0
    redis_ms: float = 0.0
    wal_kb: float = 0.0
    redis_kb: float = 0.0
    sent_kb: float = 0.0
    received_kb: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))

    def __mul__(self, factor: float) -> "Spent":
        return Spent(*(value * factor for value in _values(self)))

    @property
    def without_noise(self) -> "Spent":
        """Nothing instead of less than nothing."""
        return Spent(*(max(0.0, value) for value in _values(self)))

    def __sub__(self, other: "Spent") -> "Spent":
        return self + other * -1


def _values(spent: Spent) -> list[float]:
    return [getattr(spent, field.name) for field in fields(spent)]
