"""graphql-core's executor, for operations that are not compiled and for what compiled ones leave to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import Executor, GraphQLError, GraphQLObjectType, located_error
from graphql.execution.collect_fields import FieldDetailsList, collect_fields
from graphql.pyutils import Path


@dataclass(frozen=True, slots=True)
class Failure:
    """What the resolver of a root field has raised."""

    error: Exception


class FinishingExecutor(Executor[Any]):
    """Executes one operation, some of whose root fields were resolved before: ``outcomes``, by their keys.

    Those are not resolved again; what they came to is completed, or reported, as if they were.
    """

    outcomes: Mapping[str, object] = {}

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: Any,
    ) -> Any:
        """Part of graphql-core's Executor."""
        key = path.key
        if path.prev is not None or not isinstance(key, str) or key not in self.outcomes:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        field = parent_type.fields[field_details_list[0].node.name.value]
        nodes = [details.node for details in field_details_list]
        info = self.build_resolve_info(field, nodes, parent_type, path)
        return self.complete_awaitable_value(
            field.type, field_details_list, info, path, _returned(self.outcomes[key]), position_context
        )


async def _returned(outcome: object) -> object:
    """What the resolver did."""
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


def failed_subscription(executor: Executor[Any], error: Exception) -> GraphQLError:
    """What graphql-core says of a subscription whose resolver has raised."""
    root = executor.schema.subscription_type
    assert root is not None, "it is a subscription"
    fields = collect_fields(
        executor.schema, executor.fragments, executor.variable_values, root, executor.operation
    ).grouped_field_set
    key, details = next(iter(fields.items()))
    return located_error(error, [each.node for each in details], [key])


def break_cycle(executor: Executor[Any]) -> None:
    """Break the executor's reference cycle: otherwise each request's objects wait for the garbage collector."""
    del executor.async_helpers
