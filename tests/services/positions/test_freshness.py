"""The freshness of a position as time passes."""

import pytest

from services.positions.freshness import Freshness, Lifetime
from tests.support.positions import location


@pytest.mark.parametrize(
    ("age_s", "freshness", "changes_in_s"),
    [
        (0, Freshness.LIVE, 60),
        (59, Freshness.LIVE, 1),
        (60, Freshness.STALE, 540),
        (599, Freshness.STALE, 1),
        (600, Freshness.GONE, None),
    ],
)
def test_a_position_becomes_stale_and_later_expires(
    age_s: float, freshness: Freshness, changes_in_s: float | None
) -> None:
    lifetime, position = Lifetime(stale_s=60, ttl_s=600), location(age_s=age_s)
    assert lifetime.freshness(position) is freshness
    assert lifetime.changes_in_s(position) == (pytest.approx(changes_in_s, abs=0.5) if changes_in_s else None)


def test_a_position_that_expires_before_it_is_stale_is_gone() -> None:
    lifetime = Lifetime(stale_s=60, ttl_s=10)
    assert lifetime.freshness(location(age_s=11)) is Freshness.GONE
    assert lifetime.changes_in_s(location(age_s=9)) == pytest.approx(1, abs=0.5)
