"""Immutable values: what the dataclass does, and what the type checker refuses."""

import pytest

from models.frozen import frozen


@frozen
class Place:
    name: str
    floor: int = 0


def test_values_with_equal_fields_are_equal_and_one_key_of_a_dictionary() -> None:
    assert Place("Here") == Place("Here", 0)
    assert Place("Here") != Place("Here", 1)
    assert {Place("Here"): 1}[Place("Here")] == 1


def test_a_value_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Place("Here").floors = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_the_type_checker_refuses_to_change_a_field() -> None:
    # It reports a comment that ignores no error.
    Place("Here").floor = 1  # pyright: ignore[reportAttributeAccessIssue]
