"""The schema."""

from datetime import datetime

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.api.date_time import DATE_TIME
from schema.api.roots import Mutation, Query, Subscription


def build_schema() -> strawberry.Schema:
    """The schema of Taxirank; ``str()`` of it is what ``schema.graphql`` holds."""
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        config=StrawberryConfig(auto_camel_case=True, scalar_map={datetime: DATE_TIME}),
    )
