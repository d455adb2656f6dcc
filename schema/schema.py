"""The schema."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.mutations import Mutation
from schema.queries import Query
from schema.subscriptions import Subscription
from schema.types import MyTripsSnapshot, Trip, User


def build_schema() -> strawberry.Schema:
    """The schema of Taxirank; ``str()`` of it is what ``schema.graphql`` holds."""
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[User, Trip, MyTripsSnapshot],
        config=StrawberryConfig(auto_camel_case=True),
    )
