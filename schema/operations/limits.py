"""Limits on the text of a document, checked in one pass before validation."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
)
from graphql.language import DirectiveNode, InlineFragmentNode

from schema.api.errors import RequestError

# Validation compares every two fields that have the same response name in one place: 490 times `me { id }` took
# 0.7 s. This number allows 70 times the same field, or 30 fragments with five fields in common.
MAX_COMPARISONS = 5_000
# Validation also walks through all fragments for each operation. GraphiQL sends all operations of a tab.
MAX_OPERATIONS = 50
# The selections of a document, with those of a fragment at each spread. A document of 1,000 tokens without
# fragments has at most 1,000.
MAX_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum of each measure. The defaults are those of the settings.

    ``chars``, ``tokens``, ``aliases`` and ``directives`` count in the whole document, ``list_items`` in one list
    of arguments or variables, ``depth``, ``root_fields`` and ``cost`` in one operation with its fragments.
    ``cost`` is explained in ``schema/operations/cost.py``.
    """

    chars: int = 32_768
    tokens: int = 1_000
    depth: int = 20
    aliases: int = 50
    directives: int = 50
    list_items: int = 100
    root_fields: int = 20
    cost: int = 50_000


DEFAULT_LIMITS = Limits()


def exceeded(limit: str, what: str, *, most: int, found: int) -> RequestError:
    """The error for a document or an operation that exceeds a limit. The codes are Apollo Router's."""
    return RequestError(f"MAX_{limit}_LIMIT", f"{what}: at most {most}, not {found}.", max=most, found=found)


def measure(document: DocumentNode, limits: Limits) -> RequestError | None:
    """The error for the first limit that a document exceeds, or None. Takes time proportional to its length.

    Raises:
        RecursionError: a chain of fragments is too long.
    """
    measured = _Measurements()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            measured.add(definition)
    # Validation would refuse these two as well, but the checks below must not meet them.
    if measured.is_ambiguous:
        return RequestError("GRAPHQL_VALIDATION_FAILED", "Two fragments have the same name.")
    circular = measured.circular_fragment()
    if circular is not None:
        return RequestError(
            "GRAPHQL_VALIDATION_FAILED", f"Cannot spread fragment {circular[:60]!r} within itself."
        )
    for limit, what, most, found in (
        ("DEPTH", "Fields within fields", limits.depth, measured.depth),
        ("ALIASES", "Aliases", limits.aliases, measured.aliases),
        ("DIRECTIVES", "Directives", limits.directives, measured.directives),
        ("LIST_ITEMS", "Items of a list", limits.list_items, measured.list_items),
        ("OPERATIONS", "Operations", MAX_OPERATIONS, len(measured.operations)),
    ):
        if found > most:
            return exceeded(limit, what, most=most, found=found)
    if _is_repetitive(document, measured.roots):
        return RequestError("MAX_REPETITIONS_LIMIT", "The same fields are selected too many times in one place.")
    return None


def longest_list(value: object) -> int:
    """The length of the longest list in the value of a variable."""
    longest, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            longest = max(longest, len(value))
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
    return longest


def _is_repetitive(document: DocumentNode, roots: Sequence[SelectionSetNode]) -> bool:
    """Whether validation would have to compare too many fields, or to follow too many fragments."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    steps = comparisons = 0
    for root in roots:
        places = [[root]]
        while places:
            waiting, spread = places.pop(), set[str]()
            fields: defaultdict[str, list[FieldNode]] = defaultdict(list)
            while waiting:
                for selection in waiting.pop().selections:
                    steps += 1
                    if isinstance(selection, FieldNode):
                        fields[(selection.alias or selection.name).value].append(selection)
                    elif isinstance(selection, InlineFragmentNode):
                        waiting.append(selection.selection_set)
                    elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in spread:
                        spread.add(selection.name.value)
                        if selection.name.value in fragments:
                            waiting.append(fragments[selection.name.value].selection_set)
                if steps > MAX_STEPS:
                    return True
            for nodes in fields.values():
                comparisons += len(nodes) * len(nodes) if len(nodes) > 1 else 0
                below = [node.selection_set for node in nodes if node.selection_set is not None]
                if below:
                    places.append(below)
            if comparisons > MAX_COMPARISONS:
                return True
    return False


@dataclass
class _Measurements:
    aliases: int = 0
    directives: int = 0
    list_items: int = 0
    is_ambiguous: bool = False
    # The nesting of each operation and of each fragment.
    operations: list["_Nesting"] = field(default_factory=list["_Nesting"])
    fragments: dict[str, "_Nesting"] = field(default_factory=dict[str, "_Nesting"])

    def add(self, definition: OperationDefinitionNode | FragmentDefinitionNode) -> None:
        self._add_directives(definition.directives or ())
        for variable in definition.variable_definitions or ():
            self._add_directives(variable.directives or ())
            if variable.default_value is not None:
                self._add_value(variable.default_value)
        nesting = self._nesting(definition.selection_set)
        if isinstance(definition, FragmentDefinitionNode):
            self.is_ambiguous |= definition.name.value in self.fragments
            self.fragments[definition.name.value] = nesting
        else:
            self.operations.append(nesting)

    @property
    def depth(self) -> int:
        """The depth of the deepest operation."""
        known: dict[str, int] = {}
        return max((self._depth(nesting, known) for nesting in self.operations), default=0)

    @property
    def roots(self) -> list[SelectionSetNode]:
        """The operations and the unused fragments: together they reach every selection."""
        used = {name for nesting in (*self.operations, *self.fragments.values()) for name, _ in nesting.spreads}
        unused = [nesting for name, nesting in self.fragments.items() if name not in used]
        return [nesting.selection_set for nesting in (*self.operations, *unused)]

    def circular_fragment(self) -> str | None:
        """A fragment that spreads itself, directly or through others."""
        sorter = TopologicalSorter({name: dict(nesting.spreads) for name, nesting in self.fragments.items()})
        try:
            sorter.prepare()
        except CycleError as error:
            return error.args[1][0]
        return None

    def _depth(self, nesting: "_Nesting", known: dict[str, int]) -> int:
        deepest = nesting.depth
        for name, level in nesting.spreads:
            if name not in known:
                fragment = self.fragments.get(name)
                known[name] = self._depth(fragment, known) if fragment is not None else 0
            deepest = max(deepest, level + known[name])
        return deepest

    def _nesting(self, root: SelectionSetNode) -> "_Nesting":
        depth, spreads = 0, list[tuple[str, int]]()
        waiting = [(root, 1)]
        while waiting:
            selection_set, level = waiting.pop()
            depth = max(depth, level)
            for selection in selection_set.selections:
                self._add_directives(selection.directives or ())
                if isinstance(selection, FieldNode):
                    self._add_field(selection)
                    if selection.selection_set is not None:
                        waiting.append((selection.selection_set, level + 1))
                elif isinstance(selection, InlineFragmentNode):
                    waiting.append((selection.selection_set, level))
                elif isinstance(selection, FragmentSpreadNode):
                    spreads.append((selection.name.value, level - 1))
        return _Nesting(root, depth, spreads)

    def _add_field(self, node: FieldNode) -> None:
        if node.alias is not None:
            self.aliases += 1
        for argument in node.arguments or ():
            self._add_value(argument.value)

    def _add_directives(self, directives: Sequence[DirectiveNode]) -> None:
        self.directives += len(directives)
        for directive in directives:
            for argument in directive.arguments or ():
                self._add_value(argument.value)

    def _add_value(self, value: ValueNode) -> None:
        for items in _lists(value):
            self.list_items = max(self.list_items, items)


def _lists(value: ValueNode) -> Iterator[int]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, ListValueNode):
            yield len(value.values)
            waiting.extend(value.values)
        elif isinstance(value, ObjectValueNode):
            waiting.extend(entry.value for entry in value.fields)


@dataclass(frozen=True, slots=True)
class _Nesting:
    selection_set: SelectionSetNode
    depth: int
    spreads: list[tuple[str, int]]
