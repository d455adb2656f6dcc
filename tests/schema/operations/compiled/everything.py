"""A schema with every feature of GraphQL, whose resolvers return their arguments."""

import asyncio
import enum
from dataclasses import is_dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry
import strawberry.tools
from strawberry import UNSET

from schema.api.context import Info
from schema.api.user_errors import UserError, mutation
from services.errors import ErrorCode, UserFault


@strawberry.enum
class Colour(enum.Enum):
    RED = "the red one"
    BLUE = strawberry.enum_value(2, name="AZURE")


@strawberry.input
class Inner:
    text: str
    colour: Colour | None = None
    numbers: list[int] | None = UNSET


@strawberry.input
class Outer:
    inner: Inner
    inners: list[Inner] | None = None
    at: datetime | None = None
    rate: float = 1.5
    flag: bool | None = UNSET
    key: strawberry.ID | None = None


class Taken(UserFault):
    """A fault of the user."""

    code = ErrorCode.TRIP_TAKEN


def told(given: Any) -> str:
    """The arguments of a resolver, with their types."""
    if is_dataclass(given) and not isinstance(given, type):
        return f"{type(given).__name__}({', '.join(f'{n}={told(v)}' for n, v in vars(given).items())})"
    if isinstance(given, list | tuple):
        return f"[{', '.join(map(told, given))}]"
    if isinstance(given, dict):
        return f"{{{', '.join(f'{n}: {told(v)}' for n, v in sorted(given.items()))}}}"
    if isinstance(given, datetime):
        return given.isoformat()
    return f"{type(given).__name__} {given!r}"


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Leaf(Named):
    number: int
    rate: float | None
    flag: bool
    id: strawberry.ID
    at: datetime | None
    colour: Colour | None
    colours: list[Colour | None]
    grid: list[list[int]] | None

    @strawberry.field
    def echo(self, text: str = "default", numbers: list[int] | None = None) -> str:
        return told([self.name, text, numbers])

    @strawberry.field
    async def later(self, info: Info, outer: Outer | None = None) -> str | None:
        await asyncio.sleep(0)
        return told([self.name, type(info.context).__name__, outer])

    @strawberry.field
    async def fails(self) -> str | None:
        if self.number % 3 == 0:
            raise ValueError("a secret of ours")
        return self.name

    @strawberry.field
    def fails_at_once(self) -> str:
        if self.number % 5 == 0:
            raise ValueError("a secret of ours")
        return self.name


@strawberry.type
class Branch(Named):
    leaves: list[Leaf]
    best: Leaf | None
    anything: "list[Anything]"
    named: list[Named | None]

    @strawberry.field
    async def slow(self) -> "Branch | None":
        await asyncio.sleep(0)
        return self.best and self


Anything = Annotated[Leaf | Branch, strawberry.union("Anything")]


@strawberry.type
class Answer:
    text: str | None = None
    branch: Branch | None = None
    errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.field
async def echo(
    info: Info,
    outer: Outer | None = None,
    numbers: list[int] | None = None,
    colours: list[Colour] | None = None,
    colour: Colour = Colour.RED,
    text: str = "default",
    rate: float | None = UNSET,
    at: datetime | None = None,
    key: strawberry.ID | None = None,
) -> str:
    return told([outer, numbers, colours, colour, text, rate, at, key])


@strawberry.field
async def branch(info: Info) -> Branch:
    return info.context.value  # pyright: ignore[reportAttributeAccessIssue]


@strawberry.field
async def maybe(info: Info, number: int) -> Branch | None:
    if number % 4 == 0:
        raise ValueError("a secret of ours")
    return info.context.value if number % 2 else None  # pyright: ignore[reportAttributeAccessIssue]


@strawberry.field
async def anything(info: Info) -> list[Anything]:
    return info.context.value.anything  # pyright: ignore[reportAttributeAccessIssue]


@mutation(description="Counts how often it is called.")
async def change(info: Info, outer: Outer, times: int = 1) -> Answer:
    info.context.calls += 1  # pyright: ignore[reportAttributeAccessIssue]
    if times % 3 == 0:
        raise Taken("Another was first.", field=("outer", "inner"))
    if times % 5 == 0:
        raise ValueError("a secret of ours")
    return Answer(text=told([outer, times]), branch=info.context.value)  # pyright: ignore[reportAttributeAccessIssue]


Query = strawberry.tools.create_type("Query", [echo, branch, maybe, anything])
Mutation = strawberry.tools.create_type("Mutation", [change])


def build() -> strawberry.Schema:
    """The schema."""
    return strawberry.Schema(query=Query, mutation=Mutation)
