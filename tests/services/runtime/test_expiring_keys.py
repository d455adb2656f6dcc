"""Keys that expire."""

from services.runtime.expiring_keys import ExpiringKeys


def test_a_key_is_remembered_until_its_time_and_not_at_it() -> None:
    keys = ExpiringKeys[str](10)
    keys.add("a", 5.0, 0.0)

    assert keys.until("a", 4.9) == 5.0
    assert keys.until("a", 5.0) is None
    assert keys.until("b", 0.0) is None


def test_a_key_that_is_added_again_has_its_new_time_alone() -> None:
    keys = ExpiringKeys[str](10)
    keys.add("a", 5.0, 0.0)
    keys.add("b", 6.0, 1.0)
    keys.add("a", 9.0, 2.0)
    keys.add("c", 20.0, 7.0)

    assert keys.until("a", 8.0) == 9.0
    assert len(keys) == 2


def test_what_has_expired_makes_room_and_beyond_that_the_oldest_does() -> None:
    keys = ExpiringKeys[int](3)
    for number in range(3):
        keys.add(number, number + 10.0, 0.0)
    keys.add(3, 20.0, 10.5)
    assert [number for number in range(4) if keys.until(number, 0.0)] == [1, 2, 3]

    keys.add(4, 20.0, 10.5)
    assert [number for number in range(5) if keys.until(number, 0.0)] == [2, 3, 4]


def test_a_key_can_be_given_up_earlier_and_one_that_is_not_there_is_left_alone() -> None:
    keys = ExpiringKeys[str](10)
    keys.add("a", 5.0, 0.0)
    keys.shorten("a", 2.0)
    keys.shorten("b", 2.0)

    assert keys.until("a", 0.0) == 3.0
    assert len(keys) == 1
