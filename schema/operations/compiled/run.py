"""One execution of a compiled operation: the ``info`` of its resolvers, and the values that are awaited."""

from collections.abc import Callable
from typing import Any

from graphql.pyutils import gather_with_cancel


class ResolverInfo:
    """The ``info`` argument of resolvers in a compiled operation. It has only the context."""

    __slots__ = ("context",)

    def __init__(self, context: object) -> None:
        self.context = context


class Run:
    """One execution: the ``info`` of its resolvers, and the values that are awaited."""

    __slots__ = ("_later", "info", "variables")

    def __init__(self, info: ResolverInfo, variables: tuple[Any, ...]) -> None:
        self.info = info
        self.variables = variables
        self._later: list[tuple[dict[str, Any], str, Any, Callable[..., Any]]] = []

    @property
    def is_waiting(self) -> bool:
        """Whether parts of the answer are still awaited."""
        return bool(self._later)

    def later(self, answer: dict[str, Any], key: str, value: Any, complete: Callable[..., Any]) -> None:
        """Await a value in ``settle``, complete it, and put it into the answer."""
        self._later.append((answer, key, value, complete))

    async def settle(self) -> None:
        """Await all missing parts of the answer concurrently."""
        while self._later:
            waiting, self._later = self._later, []
            if len(waiting) == 1:
                values = [await waiting[0][2]]
            else:
                values = await gather_with_cancel(*(value for _, _, value, _ in waiting))
            for (answer, key, _, complete), value in zip(waiting, values, strict=True):
                answer[key] = complete(value, self)

    def abandon(self) -> None:
        """Close all coroutines that were not awaited."""
        for _, _, value, _ in self._later:
            value.close()
        self._later.clear()
