"""Each key has a rate of its own."""

from types import SimpleNamespace

import pytest

from services.limits import rates
from services.limits.rates import Rate, RateLimit, RateLimited


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/minute", Rate(10, 60)),
        ("1/second", Rate(1, 1)),
        ("999999/day", Rate(999_999, 86_400)),
        ("3/hour", Rate(3, 3_600)),
        ("off", None),
    ],
)
def test_a_rate_is_a_number_within_a_period_or_off(text: str, rate: Rate | None) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "10", "0/second", "-1/second", "1.5/second", "10/fortnight", "10/seconds", "on", "1/day\n", "1 /day"],
)
def test_anything_else_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="must be like 10/minute"):
        Rate.parse(text)


def allowed(limit: RateLimit, key: str, times: int) -> int:
    """How many of that many simultaneous uses pass."""
    count = 0
    for _ in range(times):
        try:
            limit.check(key)
            count += 1
        except RateLimited:
            pass
    return count


def test_a_burst_of_the_whole_number_passes_and_then_the_rate_applies(clock: Clock) -> None:
    limit = RateLimit(Rate(5, 1))
    assert allowed(limit, "driver", 100) == 5
    clock.now += 0.2
    assert allowed(limit, "driver", 100) == 1
    clock.now += 0.6
    assert allowed(limit, "driver", 100) == 3
    clock.now += 60
    assert allowed(limit, "driver", 100) == 5


def test_a_refusal_says_how_long_to_wait_and_asking_again_does_not_extend_it(clock: Clock) -> None:
    limit = RateLimit(Rate(2, 10))
    assert allowed(limit, "driver", 2) == 2
    clock.now += 1
    for _ in range(50):
        with pytest.raises(RateLimited) as refusal:
            limit.check("driver")
        assert refusal.value.retry_after_s == pytest.approx(4)

    clock.now += 4

    limit.check("driver")


def test_a_flood_of_one_key_does_not_affect_another(clock: Clock) -> None:
    limit = RateLimit(Rate(5, 1))
    allowed(limit, "flood", 1_000)
    assert allowed(limit, "driver", 5) == 5


def test_without_a_rate_everything_passes(clock: Clock) -> None:
    assert allowed(RateLimit(None), "driver", 1_000) == 1_000


def test_a_key_whose_rate_is_unused_is_forgotten(clock: Clock) -> None:
    limit = RateLimit(Rate(5, 1))
    for number in range(1_000):
        limit.check(f"driver {number}")
    allowed(limit, "flood", 1_000)
    clock.now += 2

    limit.check("driver")

    assert len(limit._used) == 1  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(("seconds", "wait"), [(0.25, "0.2 s"), (59.9, "59.9 s"), (61, "2 min"), (3600, "60 min")])
def test_a_refusal_says_in_how_many_seconds_or_minutes_to_try_again(seconds: float, wait: str) -> None:
    assert str(RateLimited(seconds)) == f"Too much at once: try again in {wait}."
