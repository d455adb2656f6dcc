"""GraphiQL's example operations are valid against the schema; without a browser."""

import json
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate
from graphql.execution import get_variable_values

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "web" / "src" / "graphiql" / "examples").glob("*.graphql"))


@pytest.fixture(scope="module")
def schema():
    return build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))


def test_there_are_examples():
    assert len(EXAMPLES) == 8


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
