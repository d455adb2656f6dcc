"""Collects the generated Python functions of one operation, and loads them."""

from collections.abc import Callable, Mapping, Sequence
from sys import getsizeof
from typing import Any, NoReturn
from weakref import finalize

# Expressions that check values of these types without a call.
_PLAIN = {
    "String": "type({0}) is str",
    "ID": "type({0}) is str",
    "Boolean": "type({0}) is bool",
    "Int": "type({0}) is int and -2147483648 <= {0} <= 2147483647",
    # Neither an infinity nor NaN.
    "Float": "type({0}) is float and {0} - {0} == 0.0",
}

# Measured: functions take 8 to 12 bytes for each character of their source.
BYTES_A_CHARACTER = 16


class CannotCompile(Exception):
    """The operation uses a feature that only graphql-core executes."""


class NotAsExpected(Exception):
    """A value is not of the expected type: graphql-core has to handle it."""


def _refuse() -> NoReturn:
    raise NotAsExpected


class Module:
    """Functions and the constants that they use.

    The only text of a request that becomes code is names, quoted by ``repr``.
    """

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._values: dict[str, object] = {}
        self._functions: dict[tuple[str, ...], str] = {}
        self._text: list[str] = []
        self._constant_bytes = 0

    @property
    def text(self) -> str:
        """The source of all functions."""
        return "\n".join(self._text)

    @property
    def bytes(self) -> int:
        """The memory that the functions and their constants take."""
        return BYTES_A_CHARACTER * len(self.text) + self._constant_bytes

    def constant(self, value: object, hint: str) -> str:
        """The name of a constant in the functions. ``hint``: the preferred name."""
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"{hint}_{len(self._names)}"
            self._values[name] = value
            if isinstance(value, str):
                # Of all constants, a client can make these large.
                self._constant_bytes += getsizeof(value)
        return name

    @property
    def refusal(self) -> str:
        """An expression that raises NotAsExpected."""
        return f"{self.constant(_refuse, 'refuse')}()"

    def leaf(self, type_name: str, coerce: Callable[[Any], Any]) -> str:
        """An expression with a placeholder for a variable: a plain value as it is, else what ``coerce`` makes."""
        coerced = f"{self.constant(coerce, type_name)}({{0}})"
        return f"({{0}} if {_PLAIN[type_name]} else {coerced})" if type_name in _PLAIN else coerced

    def items(self, each: str, item: str, value: str) -> str:
        """An expression for the list of ``each``, which uses the variable ``item``, over the list ``value``."""
        return f"([{each} for {item} in {value}] if type({value}) is list else {self.refusal})"

    def function(self, hint: str, parameters: str, body: Sequence[str]) -> str:
        """Add a function, unless an equal one exists; returns its name."""
        key = (parameters, *body)
        name = self._functions.get(key)
        if name is None:
            name = self._functions[key] = f"{hint}_f{len(self._functions)}"
            self._text += [f"def {name}({parameters}):", *(f"    {line}" for line in body)]
        return name

    def table(self, hint: str, entries: Mapping[str, str]) -> str:
        """Add a dict whose keys and values are expressions; returns its name."""
        name = f"{hint}_t{len(self._text)}"
        self._text.append(f"{name} = {{{', '.join(f'{key}: {value}' for key, value in entries.items())}}}")
        return name

    def load(self) -> Callable[[str], Callable[..., Any]]:
        """Compile the source; the result returns a function by its name."""
        # The source is generated here, see the class.
        exec(compile(self.text, "<compiled operation>", "exec"), self._values)  # noqa: S102
        return lambda name: self._values[name]  # pyright: ignore[reportReturnType]

    def unload_with(self, user: object) -> None:
        """Release the functions when ``user`` is freed.

        They refer to each other, so otherwise they would wait for the garbage collector.
        """
        finalize(user, self._values.clear).atexit = False
