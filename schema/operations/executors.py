"""graphql-core's executor: for operations without a plan, and for the cases that a plan leaves to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import Executor, GraphQLError, GraphQLObjectType, located_error
from graphql.execution.collect_fields import FieldDetailsList, collect_fields
from graphql.pyutils import Path


@dataclass(frozen=True, slots=True)
class Failure:
    """The resolver of a root field has raised this error."""

    error: Exception


class FinishingExecutor(Executor[Any]):
    """Executes an operation of which a plan has already resolved some root fields.

    ``outcomes``: the results or Failures of these fields, by response name. The fields are not resolved again;
    their results are completed, and their errors reported, as for all other fields.
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
    """Return or raise what the resolver has returned or raised."""
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


def failed_subscription(executor: Executor[Any], error: Exception) -> GraphQLError:
    """The error that graphql-core reports if the resolver of a subscription raises."""
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
