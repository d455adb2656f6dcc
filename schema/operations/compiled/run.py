"""One execution of a compiled operation: what its resolvers are given, and what has to be waited for."""

from collections.abc import Callable
from typing import Any

from graphql.pyutils import gather_with_cancel


class ResolverInfo:
    """What a compiled operation gives to resolvers as ``info``: the context, and nothing else."""

    __slots__ = ("context",)

    def __init__(self, context: object) -> None:
        self.context = context


class Run:
    """One execution: what its resolvers are given, and what has to be waited for."""

    __slots__ = ("_later", "info", "variables")

    def __init__(self, info: ResolverInfo, variables: tuple[Any, ...]) -> None:
        self.info = info
        self.variables = variables
        self._later: list[tuple[dict[str, Any], str, Any, Callable[..., Any]]] = []

    @property
    def is_waiting(self) -> bool:
        """Whether a part of the answer is still to be waited for."""
        return bool(self._later)

    def later(self, answer: dict[str, Any], key: str, value: Any, complete: Callable[..., Any]) -> None:
        """Put a value into the answer once it is there."""
        self._later.append((answer, key, value, complete))

    async def settle(self) -> None:
        """Wait until every part of the answer is there, all at once."""
        while self._later:
            waiting, self._later = self._later, []
            if len(waiting) == 1:
                values = [await waiting[0][2]]
            else:
                values = await gather_with_cancel(*(value for _, _, value, _ in waiting))
            for (answer, key, _, complete), value in zip(waiting, values, strict=True):
                answer[key] = complete(value, self)

    def abandon(self) -> None:
        """Nothing will be waited for."""
        for _, _, value, _ in self._later:
            value.close()
        self._later.clear()
