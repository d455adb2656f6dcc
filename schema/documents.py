"""Documents, parsed and validated once."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    parse,
    specified_rules,
    validate,
)
from graphql.language import FieldNode, Node, Visitor, visit

from schema.errors import RequestError, without_value

# The time of validation grows with the square of what is selected: 5000 tokens took up to 1.7 s, 2000 take
# 0.25. GraphiQL's introspection has about 200.
MAX_TOKENS = 2000
# A parsed document takes about 160 bytes a character.
CACHED_CHARS = 250_000
CACHED_CHARS_EACH = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of a valid document.

    ``shared_variables`` are the variables used anywhere but in the arguments of the root fields: the only
    ones on which the result of a subscription's event depends.
    """

    document: DocumentNode
    name: str | None
    type: OperationType
    shared_variables: frozenset[str]


class Document:
    """A document that was parsed and validated, or the errors that this found."""

    def __init__(self, ast: DocumentNode | None, errors: list[GraphQLError]) -> None:
        self.errors = errors
        self._operations: dict[str | None, Operation] = {}
        if ast is None or errors:
            return
        fragments = {d.name.value: d for d in ast.definitions if isinstance(d, FragmentDefinitionNode)}
        for definition in ast.definitions:
            if isinstance(definition, OperationDefinitionNode):
                name = definition.name.value if definition.name else None
                self._operations[name] = Operation(
                    ast, name, definition.operation, _variables_below_root(definition, fragments)
                )

    def operation(self, name: str | None) -> Operation:
        """The operation of that name, or the only one.

        Raises:
            RequestError: there is none, or a name is needed to choose.
        """
        if name is None and len(self._operations) == 1:
            return next(iter(self._operations.values()))
        operation = self._operations.get(name)
        if operation is not None and (name is not None or len(self._operations) == 1):
            return operation
        if name is None and self._operations:
            raise RequestError("OPERATION_RESOLUTION_FAILURE", "Name one of the operations (operationName).")
        raise RequestError("OPERATION_RESOLUTION_FAILURE", f"There is no operation named {(name or '')[:60]!r}.")


class Documents:
    """Parses and validates; remembers the most recent ones (a small query costs 3 ms without, 0.4 with)."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema = schema
        self._rules = [*specified_rules, *([] if introspection else [NoSchemaIntrospectionCustomRule])]
        self._cache: OrderedDict[str, Document] = OrderedDict()
        self._cached_chars = 0

    def get(self, query: str) -> Document:
        """The document of that text."""
        document = self._cache.get(query)
        if document is not None:
            self._cache.move_to_end(query)
            return document
        document = self._prepare(query)
        if len(query) <= CACHED_CHARS_EACH:
            self._cache[query] = document
            self._cached_chars += len(query)
            while self._cached_chars > CACHED_CHARS:
                self._cached_chars -= len(self._cache.popitem(last=False)[0])
        return document

    def _prepare(self, query: str) -> Document:
        try:
            ast = parse(query, max_tokens=MAX_TOKENS)
        except GraphQLError as error:
            return Document(None, [_with_code(error, "GRAPHQL_PARSE_FAILED")])
        except RecursionError:
            return Document(None, [RequestError("GRAPHQL_PARSE_FAILED", "The document is nested too deeply.")])
        try:
            errors = validate(self._schema, ast, self._rules, max_errors=20)
        except RecursionError:
            return Document(
                None, [RequestError("GRAPHQL_VALIDATION_FAILED", "The document is nested too deeply.")]
            )
        return Document(ast, [_with_code(error, "GRAPHQL_VALIDATION_FAILED") for error in errors])


def _with_code(error: GraphQLError, code: str) -> GraphQLError:
    # Without its original error, which would pass for a failure of ours.
    return GraphQLError(
        without_value(error.message), error.nodes, error.source, error.positions, extensions={"code": code}
    )


class _VariableNames(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.names.add(node.name.value)


def _variables_below_root(
    definition: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
) -> frozenset[str]:
    """Variables outside the arguments of root fields; fragments are counted whole, which errs on the safe side."""
    visitor = _VariableNames()

    def look_at(node: Node) -> None:
        visit(node, visitor)

    for fragment in fragments.values():
        look_at(fragment)
    for directive in definition.directives or ():
        look_at(directive)
    _look_at_root(definition.selection_set, look_at)
    return frozenset(visitor.names)


def _look_at_root(selection_set: SelectionSetNode, look_at: Callable[[Node], None]) -> None:
    for selection in selection_set.selections:
        for directive in selection.directives or ():
            look_at(directive)
        if isinstance(selection, FieldNode):
            if selection.selection_set is not None:
                look_at(selection.selection_set)
        else:
            look_at(selection)
