"""GraphiQL's example operations are valid against the schema, and run as written; without a browser."""

import json
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate
from graphql.execution import get_variable_values

from tests.conftest import SignUp

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "web" / "src" / "graphiql" / "examples").glob("*.graphql"))


@pytest.fixture(scope="module")
def schema():
    return build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))


def test_there_are_examples():
    assert len(EXAMPLES) == 10


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_and_its_variables_fit(path: Path, schema):
    document = parse(path.read_text(encoding="utf-8"))
    assert validate(schema, document) == []

    file = path.with_suffix(".json")
    variables = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    used: set[str] = set()
    for operation in operations:
        definitions = operation.variable_definitions or ()
        names = {definition.variable.name.value for definition in definitions}
        given = {name: value for name, value in variables.items() if name in names}
        coerced = get_variable_values(schema, definitions, given)
        assert not isinstance(coerced, list), coerced
        used |= names
    assert set(variables) <= used


# What a visitor runs from left to right, as tab and operation, and what the answer shows.
VISIT = [
    ("1", "SignUpRider", "Robin"),
    ("2", "EstimateTrip", "driversNearby"),
    ("2", "RequestTrip", "REQUESTED"),
    ("3", "SignUpDriver", "Dana"),
    ("3", "SetOnDuty", "AVAILABLE"),
    ("5", "AcceptTrip", "STARTED"),
    ("6", "GiveBack", "REQUESTED"),
    ("7", "LogIn", "Robin"),
    ("6", "CancelTrip", "CHANGED_PLANS"),
    ("2", "RequestTrip", "REQUESTED"),
    ("7", "LogIn as the driver", "Dana"),
    ("5", "AcceptTrip", "STARTED"),
    ("5", "ReportArrival", "arrivedAt"),
    ("6", "ReportNoShow", "TOO_EARLY"),
    ("5", "StartRide", "IN_PROGRESS"),
    ("5", "CompleteTrip", "COMPLETED"),
    ("5", "RateTrip", "myRating"),
    ("7", "LogIn", "Robin"),
    ("5", "RateTrip", "myRating"),
    ("7", "WhoAmI", "rider@example.com"),
    ("8", "MyTrips", "COMPLETED"),
    ("7", "LogOut", "logOut"),
]


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
async def test_the_operations_of_the_tabs_run_as_written(person: SignUp):
    visitor, trip_id = await person(), ""
    for tab, operation, shown in VISIT:
        (path,) = (path for path in EXAMPLES if path.name.startswith(tab))
        variables = path.with_suffix(".json").read_text(encoding="utf-8").replace("the_id_of_a_trip", trip_id)
        if operation == "LogIn as the driver":
            variables = variables.replace("rider@", "driver@")
        request = {
            "query": path.read_text(encoding="utf-8"),
            "operationName": operation.partition(" ")[0],
            "variables": json.loads(variables),
        }
        response = await visitor.http.post("/graphql", json=request)
        assert "errors" not in response.json(), (operation, response.text)
        assert shown in response.text, (operation, response.text)
        assert '"errors":[{' not in response.text.replace(" ", "") or shown == "TOO_EARLY", response.text
        if operation == "RequestTrip":
            trip_id = response.json()["data"]["createTrip"]["trip"]["id"]
