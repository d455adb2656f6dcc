"""graphql-core's executor, for operations that are not compiled and for what compiled ones leave to it."""

from collections.abc import Mapping
from typing import Any

from graphql import Executor, GraphQLError, GraphQLObjectType, located_error
from graphql.execution.collect_fields import FieldDetailsList, collect_fields
from graphql.pyutils import Path

from schema.operations.compiled.plan import Failure


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
        outcome = self.outcomes[key]
        name = field_details_list[0].node.name.value
        returned = parent_type.fields[name].type
        nodes = [details.node for details in field_details_list]
        try:
            if isinstance(outcome, Failure):
                raise outcome.error
            info = self.build_resolve_info(parent_type.fields[name], nodes, parent_type, path)
            completed = self.complete_value(returned, field_details_list, info, path, outcome, position_context)
        except Exception as error:
            self.handle_field_error(error, returned, field_details_list, path)
            return None
        if not self.is_awaitable(completed):
            return completed
        return self._completed_later(completed, returned, field_details_list, path)

    async def _completed_later(self, completed: Any, returned: Any, details: FieldDetailsList, path: Path) -> Any:
        try:
            return await completed
        except Exception as error:
            self.handle_field_error(error, returned, details, path)
            return None


def failed_subscription(executor: Executor[Any], error: Exception) -> GraphQLError:
    """What graphql-core says of a subscription whose resolver has raised."""
    root = executor.schema.subscription_type
    assert root is not None, "it is a subscription"
    fields = collect_fields(
        executor.schema, executor.fragments, executor.variable_values, root, executor.operation
    ).grouped_field_set
    key, details = next(iter(fields.items()))
    return located_error(error, [each.node for each in details], [key])
