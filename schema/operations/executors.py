"""graphql-core's executor, without the steps that this schema's answers do not need."""

import itertools
import sys
from collections.abc import Hashable
from typing import Any

import orjson
from graphql import (
    Executor,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList
from graphql.pyutils import Path

from models.values import TripValue
from schema.api.trip import Trip
from services.runtime.memory import MemoryCache, trimmed

# About 5,000 ordinary trips.
RENDERED_BYTES = 16_000_000
MAX_RENDERED_BYTES = 4096
# A trip with both its users, without their texts; and each driver who gave it back.
_TRIP_BYTES = 1_300
_GIVEN_BACK_BYTES = 160


class AttributeReader:
    """The resolver of a field that only reads an attribute. ``leaf`` is the type of a plain value, else None."""

    __slots__ = ("is_required", "leaf", "name")

    def __init__(self, name: str, type: Any) -> None:
        self.name = name
        self.is_required = is_non_null_type(type)
        named = type.of_type if is_non_null_type(type) else type
        self.leaf: GraphQLLeafType | None = named if is_leaf_type(named) else None

    def __call__(self, source: object, _: Any) -> object:
        """Part of graphql-core's resolvers."""
        return getattr(source, self.name)


class DirectExecutor(Executor[Any]):
    """Executes one operation once. Most values of an answer are plain attributes, which it takes as they are:
    graphql-core describes each to its resolver first, and that is 0.33 of the 0.77 ms of executing a page.
    """

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: Any,
    ) -> Any:
        """Part of graphql-core's Executor."""
        field = parent_type.fields.get(field_details_list[0].node.name.value)
        reader = field.resolve if field is not None else None
        if type(reader) is AttributeReader and reader.leaf is not None:
            try:
                value = getattr(source, reader.name)
                if value is None and not reader.is_required:
                    return None
                return self.complete_leaf_value(reader.leaf, value)
            except Exception:
                # The long way fails too, and says where.
                return super().execute_field(parent_type, source, field_details_list, path, position_context)
        return super().execute_field(parent_type, source, field_details_list, path, position_context)


class RenderedTrips:
    """The JSON of trips that were executed lately, in at most RENDERED_BYTES; the least used give way.

    The lists that drivers are sent differ by a few trips, and while one of 200 is executed nobody else is served.
    All groups share the room, so that nobody gets more of it by subscribing in many ways.
    """

    def __init__(self) -> None:
        rendered = MemoryCache[Hashable, orjson.Fragment](RENDERED_BYTES)
        self._put = rendered.put
        # What was kept under a key, if it is still there. Asked for each trip of a list: one call, not two.
        self.get = rendered.get

    def keep(self, key: Hashable, value: dict[str, Any], trip: TripValue) -> orjson.Fragment | dict[str, Any]:
        """The value as JSON, kept for the next; an unusually long one is neither. ``key`` holds the trip."""
        rendered = orjson.dumps(value)
        if len(rendered) > MAX_RENDERED_BYTES:
            return value
        fragment = orjson.Fragment(trimmed(rendered))
        self._put(key, fragment, len(rendered) + _bytes_of(trip))
        return fragment


def _bytes_of(trip: TripValue) -> int:
    """What a trip and its users take. In 1 µs, where walking through all of it takes as long as executing it."""
    taken = _TRIP_BYTES + _GIVEN_BACK_BYTES * len(trip.given_back_by)
    for text in (trip.pick_up_address, trip.drop_off_address, trip.cancel_reason):
        taken += sys.getsizeof(text)
    for user in (trip.rider, trip.driver):
        if user is not None:
            for text in (user.username, user.first_name, user.last_name, user.photo):
                taken += sys.getsizeof(text)
    return taken


class SharedExecutor(DirectExecutor):
    """Executes one operation for many events.

    - What a trip came to is taken from ``rendered_trips`` when the same trip comes again, unless something failed
      or had to be waited for. Its result holds fragments of JSON in such places.
    - graphql-core's executor remembers the fields below each list of nodes, and collects the root fields in a new
      list for every event: it would remember them all, as long as anybody subscribes, and never find one again.
    """

    _numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rendered_trips = RenderedTrips()
        # The copies of this executor, one an event, have it in common.
        self._number = next(self._numbers)
        self._subfields: dict[Hashable, CollectedFields] = {}

    def collect_subfields(
        self, return_type: GraphQLObjectType, field_details_list: FieldDetailsList
    ) -> CollectedFields:
        """Part of graphql-core's Executor. The nodes live as long as their document; so do their ids."""
        key = (return_type, *(id(details.node) for details in field_details_list))
        collected = self._subfields.get(key)
        if collected is None:
            collected = self._subfields[key] = super().collect_subfields(return_type, field_details_list)
        return collected

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Part of graphql-core's Executor."""
        if type(result) is not Trip:
            return super().complete_object_value(
                return_type, field_details_list, info, path, result, position_context
            )
        nodes = tuple(id(details.node) for details in field_details_list)
        key = (self._number, nodes, result.snapshot, result.audience)
        rendered = self.rendered_trips.get(key)
        if rendered is not None:
            return rendered
        value: Any = super().complete_object_value(
            return_type, field_details_list, info, path, result, position_context
        )
        # An error says where it was, and that is another place next time.
        if self.is_awaitable(value) or self.collected_errors.errors:
            return value
        return self.rendered_trips.keep(key, value, result.snapshot)
