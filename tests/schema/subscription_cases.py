"""Subscriptions of every kind: each root field with each feature of the language, and special cases."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

# The pick-up of trip A, and a point far from there.
HERE = {"lat": 52.5, "lng": 13.4}
THERE = {"lat": 53.5, "lng": 13.4}


@dataclass(frozen=True)
class Case:
    """One request. TRIP_A and TRIP_B in it stand for ids; ``topic`` names the events that it receives, if any."""

    topic: str
    query: str
    variables: dict[str, Any] = field(default_factory=dict)
    operation_name: str | None = None

    def payload(self, trip_ids: dict[str, str]) -> dict[str, Any]:
        """The request, for those trips."""
        text = json.dumps({"query": self.query, "variables": self.variables, "operationName": self.operation_name})
        for placeholder, trip_id in trip_ids.items():
            text = text.replace(placeholder, trip_id)
        return json.loads(text)


@dataclass(frozen=True)
class Root:
    """A root field. SELECTION stands for the selection of a trip, or of a position."""

    topic: str
    selection: str
    definitions: str = ""
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Feature:
    """A selection of a trip, used in every place with one. ``is_refused``: the subscription never begins."""

    selection: str
    fragments: str = ""
    definitions: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    is_refused: bool = False


TRIP = Root("trip A", "tripUpdated(id: $id) { SELECTION }", "$id: ID!", {"id": "TRIP_A"})
OTHER_TRIP = replace(TRIP, topic="trip B", variables={"id": "TRIP_B"})
MY_TRIPS = Root(
    "my trips",
    """myTripsUpdated { __typename
        ... on MyTripsSnapshot { trips { SELECTION } } ... on TripChanged { trip { SELECTION } } }""",
)
_OFFERS = """{ ... on PoolSnapshot { truncated offers { SELECTION } }
    ... on TripOffered { trip { SELECTION } } ... on TripWithdrawn { tripId version reason } }"""
POOL = Root("pool", f"driverPool {_OFFERS}")
NEAR = Root("near", f"driverPool(near: $near) {_OFFERS}", "$near: NearInput", {"near": {"point": HERE}})
ELSEWHERE = replace(NEAR, topic="elsewhere", variables={"near": {"point": THERE, "radiusM": 1000}})
DRIVER = Root("driver of A", "driverLocation(tripId: $id) { SELECTION }", "$id: ID!", {"id": "TRIP_A"})

_FIELDS = "id version status pickUpAddress pickUp { lat } driver { firstName } rider { username role }"
# A place where a directive is allowed; its variable is used nowhere else.
_FLAGGED = {
    "a field": "id version @include(if: $flag)",
    "a field below": "id rider { firstName username @skip(if: $flag) }",
    "an inline fragment": "id ... @include(if: $flag) { version rider { username } }",
    "a spread": "id ...Rest @skip(if: $flag)",
    "a field of a fragment": "id ...Flagged",
}
_FRAGMENTS = {
    "a spread": "fragment Rest on Trip { version status }",
    "a field of a fragment": "fragment Flagged on Trip { version @include(if: $flag) status }",
}
_DEFAULT = {
    "selection": "id version @include(if: $more) status @skip(if: $more)",
    "definitions": "$more: Boolean = true",
}
FEATURES = {
    "fields": Feature(_FIELDS),
    "a variable that nobody asked for": Feature(_FIELDS, variables={"other": 1}),
    "aliases": Feature("a: id b: version c: rider { a: firstName b: username }"),
    "aliases exchanged": Feature("b: id a: version c: rider { b: firstName a: username }"),
    "__typename": Feature("__typename kind: __typename rider { __typename } driver { __typename id }"),
    "fragments within fragments": Feature(
        "...Brief",
        """fragment Brief on Trip { version rider { ...Person } driver { ...Person } }
        fragment Person on User { id ...Name } fragment Name on User { firstName username }""",
    ),
    "inline fragments": Feature("... on Node { id } ... on Trip { ... { rider { ... on User { role } } } }"),
    "one key from several places": Feature(
        "id rider { firstName } ...More rider { role } id", "fragment More on Trip { rider { username } id }"
    ),
    **{
        f"a flag on {where}: {flag}": Feature(
            selection, _FRAGMENTS.get(where, ""), "$flag: Boolean!", {"flag": flag}
        )
        for where, selection in _FLAGGED.items()
        for flag in (True, False)
    },
    "literal flags": Feature("id version @include(if: true) status @skip(if: true)"),
    "a default": Feature(**_DEFAULT),
    "a default given": Feature(**_DEFAULT, variables={"more": True}),
    "a default overridden": Feature(**_DEFAULT, variables={"more": False}),
    "null despite a default": Feature(**_DEFAULT, variables={"more": None}, is_refused=True),
    "resolvers that read": Feature(
        """id driverLocation { point { lat } heading } pickUpEta pickUpPin noShowAt myRating
        rider { rating { average } }
        history { version status at changedBy user { firstName username } }"""
    ),
    "a resolver that waits": Feature("id dropOffAddress"),
    "a failure with null in its place": Feature("id driver { firstName photo }"),
    "a failure with null in its parent's place": Feature("id driver { firstName lastName }"),
    "a failure of everything": Feature("id rider { lastName }"),
    "a failure after a wait, beside a sound field": Feature("id dropOff { lat } version"),
    "a refusal at one version": Feature("id version cancelReason"),
}


SOME_FEATURES = {
    name: FEATURES[name]
    for name in ("fields", "aliases", "a flag on a field: True", "resolvers that read", "a failure of everything")
}
OF_POSITIONS = {
    "fields": Feature("id point { lat lng } heading recordedAt"),
    "aliases": Feature("a: heading b: point { c: lat d: lng }"),
    "aliases exchanged": Feature("b: heading a: point { d: lat c: lng }"),
    "__typename": Feature("__typename kind: __typename point { __typename }"),
    "fragments": Feature(
        "...At ... on DriverLocation { heading }",
        "fragment At on DriverLocation { point { ...P } } fragment P on GeoPoint { lat }",
    ),
    **{
        f"a flag on {where}: {flag}": Feature(selection, fragments, "$flag: Boolean!", {"flag": flag})
        for where, selection, fragments in (
            ("a field", "id heading @include(if: $flag)", ""),
            ("a field of a fragment", "id ...F", "fragment F on DriverLocation { heading @skip(if: $flag) }"),
        )
        for flag in (True, False)
    },
    "a failure at one position": Feature("id point { lng } heading"),
}


def _case(root: Root, feature: Feature) -> Case:
    definitions = f"{root.definitions} {feature.definitions}".strip()
    return Case(
        "" if feature.is_refused else root.topic,
        f"subscription {f'({definitions})' if definitions else ''} "
        f"{{ {root.selection.replace('SELECTION', feature.selection)} }} {feature.fragments}",
        {**root.variables, **feature.variables},
    )


def _cases(name: str, root: Root, features: dict[str, Feature] = FEATURES) -> dict[str, Case]:
    return {f"{name}: {what}": _case(root, feature) for what, feature in features.items()}


_LITERAL = 'subscription { tripUpdated(id: "TRIP_A") { id version } }'
_DEFAULT_ID = 'subscription ($id: ID! = "TRIP_A") { tripUpdated(id: $id) { id version } }'
_IN_FRAGMENT = (
    "subscription ($id: ID!) { ...S } fragment S on Subscription { tripUpdated(id: $id) { id version } }"
)
_SEVERAL = """query Q { me { id } } subscription One { driverPool { __typename } }
    subscription Two { driverPool { kind: __typename } } subscription Three { myTripsUpdated { __typename } }"""

CASES = {
    "tripUpdated": {
        **_cases("one", TRIP),
        **_cases("another", OTHER_TRIP, SOME_FEATURES),
        "a literal id": Case("trip A", _LITERAL),
        "another literal id": Case("trip B", _LITERAL.replace("TRIP_A", "TRIP_B")),
        "a default id": Case("trip A", _DEFAULT_ID),
        "a default id overridden": Case("trip B", _DEFAULT_ID, {"id": "TRIP_B"}),
        "no id": Case("", "subscription ($id: ID!) { tripUpdated(id: $id) { id } }"),
        "a malformed id": Case("", 'subscription { tripUpdated(id: "nonsense") { id } }'),
        "an unknown id": Case(
            "", 'subscription { tripUpdated(id: "00000000-0000-4000-8000-000000000000") { id } }'
        ),
        "the root field in a fragment": Case("trip A", _IN_FRAGMENT, {"id": "TRIP_A"}),
        "another root field in that fragment": Case("trip B", _IN_FRAGMENT, {"id": "TRIP_B"}),
    },
    "myTripsUpdated": {
        **_cases("mine", MY_TRIPS),
        "the root field in an inline fragment": Case(
            "my trips", "subscription { ... on Subscription { myTripsUpdated { __typename } } }"
        ),
        "one of several operations": Case("my trips", _SEVERAL, operation_name="Three"),
    },
    "driverPool": {
        **_cases("all", POOL),
        **_cases("near", NEAR, SOME_FEATURES),
        **_cases("elsewhere", ELSEWHERE, SOME_FEATURES),
        "near, in a literal": Case(
            "near", "subscription { driverPool(near: { point: { lat: 52.5, lng: 13.4 } }) { __typename } }"
        ),
        "null instead of an area": Case(
            "pool", "subscription ($near: NearInput) { driverPool(near: $near) { __typename } }", {"near": None}
        ),
        "an alias of the root field": Case("pool", "subscription { p: driverPool { __typename } }"),
        "another alias of the root field": Case("pool", "subscription { q: driverPool { __typename } }"),
        "the root field twice": Case(
            "pool", "subscription { driverPool { __typename } driverPool { again: __typename } }"
        ),
        "two root fields": Case("", "subscription { driverPool { __typename } myTripsUpdated { __typename } }"),
        "a directive on the root field": Case(
            "", "subscription ($on: Boolean!) { driverPool @include(if: $on) { __typename } }", {"on": True}
        ),
        "a fragment on the union": Case(
            "pool",
            """subscription { driverPool { __typename ...Offers ... on TripWithdrawn { reason } } }
            fragment Offers on PoolEvent {
                ... on PoolSnapshot { offers { id } } ... on TripOffered { trip { ... on Node { id } } }
            }""",
        ),
        "nothing of most events": Case(
            "pool", "subscription { driverPool { ... on TripOffered { trip { version } } } }"
        ),
        "the first of several operations": Case("pool", _SEVERAL, operation_name="One"),
        "the second of several operations": Case("pool", _SEVERAL, operation_name="Two"),
        "no name for several operations": Case("", _SEVERAL),
        "an unknown name": Case("", _SEVERAL, operation_name="Four"),
        "an unknown field": Case("", "subscription { driverPool { nothing } }"),
        "a syntax error": Case("", "subscription { driverPool {"),
    },
    "driverLocation": {
        **_cases("of A", DRIVER, OF_POSITIONS),
        "a literal id": Case("driver of A", 'subscription { driverLocation(tripId: "TRIP_A") { id heading } }'),
        "of nobody": Case("", 'subscription { driverLocation(tripId: "nonsense") { id } }'),
    },
}
