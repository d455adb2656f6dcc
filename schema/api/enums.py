"""Adds enums of the domain to the schema."""

from enum import Enum

import strawberry


def describe(enum: type[Enum], description: str, values: dict[str, str]) -> None:
    """Add an enum of the domain to the schema. ``values`` maps the name of each value to its description.

    Raises:
        KeyError, AssertionError: ``values`` does not name exactly the values of the enum.
    """
    strawberry.enum(enum, description=description)
    for value in enum.__strawberry_definition__.values:  # pyright: ignore
        value.description = values.pop(value.name)
    assert not values, f"{enum.__name__} has no {values}"
