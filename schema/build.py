"""The schema, as it is and as a subgraph of Apollo Federation."""

from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import strawberry
from graphql import DefinitionNode, DocumentNode, ObjectTypeDefinitionNode, parse, print_ast
from strawberry.schema.config import StrawberryConfig

from schema.api.date_time import DATE_TIME
from schema.api.entities import ANY, ENTITIES, Representation, entities, service
from schema.api.roots import Mutation, Subscription, query

# The first version with subscriptions. A later one would ask for a later router.
_LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.4", import: ["@key", "@shareable"])'
# The types of the Relay specifications, which other subgraphs have too.
_SHARED = frozenset({"PageInfo"})


def build_schema(*, federation: bool = False, shows_sdl: bool = True) -> strawberry.Schema:
    """The schema of Taxirank; ``str()`` of it is what ``schema.graphql`` holds.

    ``federation``: with what a router asks of a subgraph. ``shows_sdl``: also with the text of the schema for it.
    """
    more = [entities] if federation else []
    if federation and shows_sdl:
        more.insert(0, service(subgraph_sdl))
    return strawberry.Schema(
        query=query(*more),
        mutation=Mutation,
        subscription=Subscription,
        config=StrawberryConfig(auto_camel_case=True, scalar_map=_scalars(federation=federation)),
    )


def _scalars(*, federation: bool) -> dict[object, Any]:
    scalars: dict[object, Any] = {datetime: DATE_TIME}
    return {**scalars, Representation: ANY} if federation else scalars


@cache
def subgraph_sdl() -> str:
    """The schema with the directives of Apollo Federation, as a graph is composed of it.

    The fields `_service` and `_entities` are not in it: each subgraph has them by the specification.
    """
    document = parse(build_schema().as_str())
    definitions = (_with_directives(definition) for definition in document.definitions)
    return f"{_LINK}\n\n{print_ast(DocumentNode(definitions=tuple(definitions)))}\n"


def _with_directives(definition: DefinitionNode) -> DefinitionNode:
    """The definition with what a router has to know of it."""
    if not isinstance(definition, ObjectTypeDefinitionNode):
        return definition
    name = definition.name.value
    if name in ENTITIES:
        directive = '@key(fields: "id")'
    elif name in _SHARED:
        directive = "@shareable"
    else:
        return definition
    marked = parse(f"type {name} {directive}").definitions[0]
    assert isinstance(marked, ObjectTypeDefinitionNode), "it was written above"
    return replace(definition, directives=marked.directives)
