"""Estimates the cost of an operation from its text and its variables, before it is executed.

The cost of a field is its weight (``WEIGHTS``) plus the cost of its values. A scalar costs one. An object costs
one, the weight of its type, that of the union that it stands for, and the cost of its selected fields. A list
counts with its usual maximum length (``SIZES``), a page with the requested length, objects that were asked for by
their ids with their number. A field that is always null in its place (``NULLS``) costs one. Fields that the
executor merges count once; fields with ``@skip`` or ``@include`` always count.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from schema.operations.cost_tables import NULLS, SIZES, WEIGHTS, Given, Page, introspection_sizes

# The cost, or a function that computes it from the variables.
Cost = float | Callable[[Mapping[str, Any]], float]


# The estimate is abandoned above this number of selections; one in a fragment counts at each spread.
MAX_STEPS = 20_000


class NoEstimate(Exception):
    """A field of the schema is missing in the tables."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimate of one operation. ``cost`` is infinite if the estimate was abandoned."""

    root_fields: int
    cost: Cost

    def of(self, variables: Mapping[str, Any]) -> float:
        """The cost with these variables."""
        return _value(self.cost, variables)


class CostModel:
    """Estimates the operations of one schema."""

    def __init__(
        self,
        schema: GraphQLSchema,
        weights: Mapping[str, int] = WEIGHTS,
        sizes: Mapping[str, int | Page | Given] = SIZES,
    ) -> None:
        """Raises: NoEstimate: a root field or a list is missing in the tables."""
        self._schema = schema
        self._weights = weights
        self._sizes: dict[str, float | Page | Given] = {**sizes, **introspection_sizes(schema)}
        for coordinate, field in _fields(schema):
            parent = coordinate.partition(".")[0]
            if parent in {"Query", "Mutation", "Subscription"} and coordinate not in weights:
                raise NoEstimate(f"{coordinate} needs a weight in schema/operations/cost_tables.py")
            if _is_list(field) and coordinate not in self._sizes:
                raise NoEstimate(f"{coordinate} is a list, and needs a size in schema/operations/cost_tables.py")

    def estimate(
        self, operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
    ) -> Estimate:
        """The estimate of a valid operation."""
        walk = _Walk(self._schema, self._weights, self._sizes, operation, fragments)
        try:
            return walk.estimate()
        except _TooManySteps:
            return Estimate(0, inf)


class _TooManySteps(Exception):
    pass


class _Walk:
    def __init__(
        self,
        schema: GraphQLSchema,
        weights: Mapping[str, int],
        sizes: Mapping[str, float | Page | Given],
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        self._schema = schema
        self._weights = weights
        self._sizes = sizes
        self._operation = operation
        self._fragments = fragments
        self._defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
        }
        self._steps = 0

    def estimate(self) -> Estimate:
        root = self._schema.get_root_type(self._operation.operation)
        assert root is not None, "the operation is valid"
        fields = self._collect(root, [self._operation.selection_set])
        return Estimate(
            len(fields), _sum(self._field(root, nodes, None, frozenset()) for nodes in fields.values())
        )

    def _field(
        self, parent: GraphQLObjectType, nodes: list[FieldNode], page: "_Selected | None", nulls: frozenset[str]
    ) -> Cost:
        """``page``: the field that returned the parent; its arguments may give the length of a list.

        ``nulls``: the fields that are always null here.
        """
        node = nodes[0]
        definition = self._schema.get_field(parent, node.name.value)
        assert definition is not None, "the operation is valid"
        coordinate = f"{parent.name}.{node.name.value}"
        if coordinate in nulls:
            return 1
        nulls |= NULLS.get(coordinate, frozenset())
        named = get_named_type(definition.type)
        each: Cost = 1
        if not is_leaf_type(named):
            here = _Selected(node, definition)
            sets = [each.selection_set for each in nodes if each.selection_set is not None]
            each = _greatest([self._object(type_, sets, here, nulls) for type_ in self._possible(named)])
            if isinstance(named, GraphQLAbstractType):
                each = _sum((self._weights.get(named.name, 0), each))
        return _sum((self._weights.get(coordinate, 0), _times(self._size(coordinate, node, page), each)))

    def _object(
        self,
        type_: GraphQLObjectType,
        sets: Sequence[SelectionSetNode],
        page: "_Selected",
        nulls: frozenset[str],
    ) -> Cost:
        fields = self._collect(type_, sets)
        own = 1 + self._weights.get(type_.name, 0)
        return _sum((own, *(self._field(type_, nodes, page, nulls) for nodes in fields.values())))

    def _possible(self, type_: GraphQLNamedType) -> Sequence[GraphQLObjectType]:
        if isinstance(type_, GraphQLObjectType):
            return (type_,)
        assert isinstance(type_, GraphQLAbstractType), "what has fields is an object, an interface or a union"
        return self._schema.get_possible_types(type_)

    def _collect(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """The selected fields by response name, merged as the executor merges them."""
        fields: dict[str, list[FieldNode]] = {}
        spread = set[str]()
        waiting = list(reversed(sets))
        while waiting:
            for selection in waiting.pop().selections:
                self._steps += 1
                if self._steps > MAX_STEPS:
                    raise _TooManySteps
                if isinstance(selection, FieldNode):
                    fields.setdefault((selection.alias or selection.name).value, []).append(selection)
                    continue
                if isinstance(selection, FragmentSpreadNode):
                    if selection.name.value in spread:
                        continue
                    spread.add(selection.name.value)
                    selection = self._fragments[selection.name.value]
                condition = selection.type_condition  # pyright: ignore[reportAttributeAccessIssue]
                if condition is None or self._applies(condition.name.value, type_):
                    waiting.append(selection.selection_set)  # pyright: ignore[reportAttributeAccessIssue]
        return fields

    def _applies(self, condition: str, type_: GraphQLObjectType) -> bool:
        if condition == type_.name:
            return True
        named = self._schema.get_type(condition)
        return isinstance(named, GraphQLAbstractType) and self._schema.is_sub_type(named, type_)

    def _size(self, coordinate: str, node: FieldNode, page: "_Selected | None") -> Cost:
        size = self._sizes.get(coordinate, 1)
        if isinstance(size, Given):
            values = [a.value for a in node.arguments or () if a.name.value == size.argument]
            return self._number_of(values[0]) if values else 0
        if not isinstance(size, Page):
            return size
        assert page is not None, "a page is below a field"
        default: int = page.definition.args[size.argument].default_value
        for argument in page.node.arguments or ():
            if argument.name.value == size.argument:
                return self._length(argument.value, default, size.most)
        return default

    def _length(self, value: ValueNode, default: int, most: int) -> Cost:
        if isinstance(value, IntValueNode):
            return _within(int(value.value[:10]), most)
        if not isinstance(value, VariableNode):
            return most
        name, own_default = value.name.value, self._defaults.get(value.name.value)
        otherwise = int(own_default.value[:10]) if isinstance(own_default, IntValueNode) else default
        return lambda variables: _within(variables.get(name, otherwise), most)

    def _number_of(self, value: ValueNode) -> Cost:
        """How many items an argument has; what is no list stands for a list of one."""
        if isinstance(value, ListValueNode):
            return len(value.values)
        if not isinstance(value, VariableNode):
            return 1
        name, own_default = value.name.value, self._defaults.get(value.name.value)
        otherwise = self._number_of(own_default) if own_default is not None else 0
        return lambda variables: _items(variables[name]) if name in variables else _value(otherwise, variables)


@dataclass(frozen=True, slots=True)
class _Selected:
    node: FieldNode
    definition: GraphQLField


def _within(length: object, most: int) -> int:
    """The requested length. A length that will be refused counts as the maximum."""
    return length if type(length) is int and 0 <= length <= most else most


def _items(value: object) -> int:
    return len(cast("list[Any]", value)) if isinstance(value, list) else 1


def _sum(costs: Iterable[Cost]) -> Cost:
    known, unknown = 0.0, list[Callable[[Mapping[str, Any]], float]]()
    for cost in costs:
        if isinstance(cost, int | float):
            known += cost
        else:
            unknown.append(cost)
    # Every request calls the result, and most operations depend on at most one variable: keep these short.
    match unknown:
        case []:
            return known
        case [cost]:
            return (lambda variables: known + cost(variables)) if known else cost
        case _:
            return lambda variables: known + sum(cost(variables) for cost in unknown)


def _times(size: Cost, each: Cost) -> Cost:
    if isinstance(size, int | float) and isinstance(each, int | float):
        return size * each
    if size == 1:
        return each
    return lambda variables: _value(size, variables) * _value(each, variables)


def _greatest(costs: Sequence[Cost]) -> Cost:
    if len(costs) == 1:
        return costs[0]
    if all(isinstance(cost, int | float) for cost in costs):
        return max(cast("Sequence[float]", costs))
    return lambda variables: max(_value(cost, variables) for cost in costs)


def _value(cost: Cost, variables: Mapping[str, Any]) -> float:
    return cost if isinstance(cost, int | float) else cost(variables)


def _fields(schema: GraphQLSchema) -> Iterator[tuple[str, GraphQLField]]:
    """Every field of every object type, with its coordinate; without introspection types."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for name, field in type_.fields.items():
                yield f"{type_.name}.{name}", field


def _is_list(field: GraphQLField) -> bool:
    return is_list_type(field.type.of_type if is_non_null_type(field.type) else field.type)
