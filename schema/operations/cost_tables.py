"""The weight of each field, the length of each list, and what is always null.

The unit is one value of an answer, about 2 µs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
)

from services.trips.commands import MAX_PAGE


@dataclass(frozen=True, slots=True)
class Page:
    """The length of the list is an argument of the field above it; at most ``most``."""

    argument: str
    most: int


@dataclass(frozen=True, slots=True)
class Given:
    """The list has an item for each item of a list that is an argument of the field itself."""

    argument: str


# One SQL statement costs about 100 values; hashing a password costs far more than a page with all fields.
WEIGHTS: Mapping[str, int] = {
    "Query.me": 0,
    "Query.node": 200,
    "Query.trip": 100,
    "Query.trips": 200,
    "Query.tripEstimate": 200,
    # Kept for a while, but computed over many trips.
    "Query.cityFigures": 1_000,
    # Two statements, and the routing engine.
    "Query.cityTripRoute": 300,
    "Query.pushPublicKey": 0,
    # Two statements; of each object below, besides its values, finding it.
    "Query._entities": 200,
    "_Entity": 10,
    # A text as long as some hundred values.
    "Query._service": 500,
    "Mutation.signUp": 25_000,
    "Mutation.logIn": 25_000,
    # Two hashes: of the current password and of the new one.
    "Mutation.changePassword": 45_000,
    "Mutation.requestPasswordReset": 500,
    "Mutation.resetPassword": 25_000,
    "Mutation.changeEmail": 25_000,
    "Mutation.requestEmailVerification": 500,
    "Mutation.verifyEmail": 500,
    # The mutation may decode a photo.
    "Mutation.updateMe": 25_000,
    "Mutation.deleteMe": 25_000,
    "Mutation.registerPushSubscription": 500,
    "Mutation.removePushSubscription": 500,
    "Mutation.setOnDuty": 500,
    "Mutation.setVehicle": 500,
    "Mutation.logOut": 500,
    "Mutation.createTrip": 500,
    "Mutation.updateTrip": 500,
    "Mutation.rateTrip": 500,
    "Mutation.reportArrival": 500,
    "Mutation.reportLocation": 300,
    "Subscription.tripUpdated": 200,
    "Subscription.myTripsUpdated": 200,
    "Subscription.driverPool": 200,
    "Subscription.driverLocation": 200,
    "Subscription.city": 200,
    # The rows of the rider and the driver are always read with it.
    "Trip": 15,
    "Trip.history": 20,
    "Trip.driverLocation": 20,
    "Trip.pickUpEta": 20,
    "Trip.dropOffEta": 20,
    "Trip.route": 20,
    "Trip.myRating": 10,
    "Trip.pickUpPin": 10,
    "User.rating": 10,
    "User.email": 10,
    "User.emailVerifiedAt": 10,
    # Introspection calls a function for each value.
    "__Type": 5,
    "__Field": 5,
    "__InputValue": 5,
}
SIZES: Mapping[str, int | Page | Given] = {
    "Query._entities": Given("representations"),
    # Requested, accepted, arrived, started, completed, and one more.
    "Trip.history": 6,
    "TripConnection.nodes": Page("first", MAX_PAGE),
    "TripConnection.edges": Page("first", MAX_PAGE),
    "MyTripsSnapshot.trips": 25,
    "PoolSnapshot.offers": 200,
    # Of a large city on a usual day.
    "CitySnapshot.drivers": 1_000,
    "CitySnapshot.trips": 500,
    "CitySnapshot.outages": 1,
    "CityChange.drivers": 250,
    "CityChange.removedDriverIds": 10,
    "CityChange.trips": 50,
    "CityChange.removedTripIds": 50,
    "CityChange.outages": 1,
    # A week.
    "CityFigures.parts": 168,
    "CityFigure.cancelled": 4,
    "AuthPayload.errors": 5,
    "LogOutPayload.errors": 1,
    "UserPayload.errors": 1,
    "DeleteMePayload.errors": 1,
    "RequestPasswordResetPayload.errors": 1,
    "RequestEmailVerificationPayload.errors": 1,
    "VerifyEmailPayload.errors": 1,
    "RegisterPushSubscriptionPayload.errors": 1,
    "RemovePushSubscriptionPayload.errors": 1,
    "TripPayload.errors": 1,
    "LocationPayload.errors": 1,
    "UserError.field": 2,
}

_OF_ONESELF = frozenset(
    {
        "User.availability",
        "User.email",
        "User.emailVerifiedAt",
        "User.approval",
        "User.approvalReason",
        "User.vehicle",
    }
)
_OF_PARTIES = frozenset(
    {
        "Trip.history",
        "Trip.cancelCode",
        "Trip.arrivedAt",
        "Trip.noShowAt",
        "Trip.vehicle",
        "Trip.driverLocation",
        "Trip.pickUpEta",
        "Trip.dropOffEta",
        "Trip.route",
        "Trip.pickUpPin",
        "Trip.myRating",
        "User.username",
        "User.rating",
    }
)
# The fields below a field that nobody sees there: they are null, without a look-up.
NULLS: Mapping[str, frozenset[str]] = {
    "Trip.rider": _OF_ONESELF,
    "Trip.driver": _OF_ONESELF,
    "HistoryEntry.user": _OF_ONESELF,
    "PoolSnapshot.offers": _OF_PARTIES,
    "TripOffered.trip": _OF_PARTIES,
}


def introspection_sizes(schema: GraphQLSchema) -> dict[str, float]:
    """The average lengths of the introspection lists of this schema."""
    types = list(schema.type_map.values())
    fielded = [t for t in types if isinstance(t, GraphQLObjectType | GraphQLInterfaceType)]
    fields = [field for type_ in fielded for field in type_.fields.values()]
    inputs = [t for t in types if isinstance(t, GraphQLInputObjectType)]

    abstract = [t for t in types if isinstance(t, GraphQLAbstractType)]
    directives = schema.directives
    return {
        "__Schema.types": len(types),
        "__Schema.directives": len(directives),
        "__Type.fields": len(fields) / len(types),
        "__Type.interfaces": sum(len(t.interfaces) for t in fielded) / len(types),
        "__Type.possibleTypes": sum(len(schema.get_possible_types(t)) for t in abstract) / len(types),
        "__Type.enumValues": sum(len(t.values) for t in types if isinstance(t, GraphQLEnumType)) / len(types),
        "__Type.inputFields": sum(len(t.fields) for t in inputs) / len(types),
        # Most types are wrapped once (non-null), some not at all, some in a list.
        "__Type.ofType": 0.7,
        "__Field.args": sum(len(field.args) for field in fields) / len(fields),
        "__Directive.args": sum(len(d.args) for d in directives) / len(directives),
        "__Directive.locations": sum(len(d.locations) for d in directives) / len(directives),
    }
