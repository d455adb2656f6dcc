"""A map whose entries expire."""

from services.runtime.expiring_map import ExpiringMap


def test_a_value_is_kept_until_its_time_and_not_at_it() -> None:
    kept = ExpiringMap[str, int](10)
    kept.put("a", 1, until_s=5.0, now_s=0.0)

    assert kept.get("a", now_s=4.9) == 1
    assert kept.get("a", now_s=5.0) is None
    assert kept.get("b", now_s=0.0) is None


def test_a_key_that_is_put_again_has_its_new_value_and_time_alone() -> None:
    kept = ExpiringMap[str, int](10)
    kept.put("a", 1, until_s=5.0, now_s=0.0)
    kept.put("b", 2, until_s=6.0, now_s=1.0)
    kept.put("a", 3, until_s=9.0, now_s=2.0)
    kept.put("c", 4, until_s=20.0, now_s=7.0)

    assert kept.get("a", now_s=8.0) == 3
    assert len(kept) == 2


def test_expired_entries_are_removed_first_and_then_the_oldest() -> None:
    kept = ExpiringMap[int, str](3)
    for number in range(3):
        kept.put(number, "", until_s=number + 10.0, now_s=0.0)
    kept.put(3, "", until_s=20.0, now_s=10.5)
    assert [number for number in range(4) if kept.get(number, now_s=0.0) is not None] == [1, 2, 3]

    kept.put(4, "", until_s=20.0, now_s=10.5)
    assert [number for number in range(5) if kept.get(number, now_s=0.0) is not None] == [2, 3, 4]


def test_a_value_that_has_expired_when_it_is_put_is_not_kept() -> None:
    kept = ExpiringMap[str, int](10)
    kept.put("a", 1, until_s=5.0, now_s=6.0)

    assert len(kept) == 0
