"""The files that trusted documents are read from."""

import json
from hashlib import sha1
from pathlib import Path

import pytest

from schema.build import build_schema
from schema.operations.documents import Documents
from schema.operations.trusted_documents import BadManifest, TrustedDocuments, read_manifest
from tests.support.manifests import apollo_manifest, hash_of

SCHEMA = build_schema()._schema  # pyright: ignore[reportPrivateUsage]
ME = "query Me { me { id } }"
PAGE = "query Page($first: Int!) { trips(first: $first) { nodes { id } } }"


def trusted(tmp_path: Path, content: object) -> TrustedDocuments:
    path = tmp_path / "documents.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return TrustedDocuments(Documents(SCHEMA, introspection=True), read_manifest(path))


def test_the_file_may_be_apollos_manifest_or_a_map_from_any_hash(tmp_path: Path) -> None:
    sha1_of_me = sha1(ME.encode(), usedforsecurity=False).hexdigest()
    for content in (
        apollo_manifest(ME, PAGE),
        {hash_of(ME): ME, hash_of(PAGE): PAGE},
        {sha1_of_me: ME, "page": PAGE},
    ):
        documents = trusted(tmp_path, content)
        assert documents.find(None, hash_of(ME)) is documents.find(ME, None)
        assert documents.find(None, hash_of(PAGE)) is documents.find(PAGE, hash_of(PAGE))
    # The default of GraphQL Code Generator's client preset.
    assert documents.find(None, sha1_of_me) is documents.find(ME, sha1_of_me)


@pytest.mark.attack("cost")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "it is not JSON"),
        ([], "it is not a JSON object"),
        ({}, "it lists no document"),
        ({"a": 1}, "its entry 'a' is not an id"),
        ({"": ME}, "its entry '' is not an id"),
        ({"a": ""}, "its entry 'a' is not an id"),
        ({"a": {"body": ME}}, "its entry 'a' is not an id"),
        (apollo_manifest(ME, version=2), "its format is not"),
        (apollo_manifest(ME, format="other"), "its format is not"),
        (apollo_manifest(ME, operations={}), "its operations are not a list"),
        (apollo_manifest(ME, operations=[ME]), "one of its operations is not an object"),
        (apollo_manifest(ME, operations=[{"id": "a"}]), "its entry 'a' is not an id"),
        (
            apollo_manifest(ME, operations=[{"id": "a", "body": ME}, {"id": "a", "body": PAGE}]),
            "two documents with the id",
        ),
        ({"a": "{ me"}, "its document 'a' cannot run: Syntax Error"),
        ({"a": "{ me { nothing } }"}, "its document 'a' cannot run: Cannot query field 'nothing'"),
        ({"a": "{ me {" + " id" * 300 + "} }"}, "its document 'a' cannot run: The same fields"),
        (
            {"a": "{" + " ".join(f"a{n}: __typename" for n in range(21)) + "}"},
            "its document 'a' cannot run: Fields of the operation: at most 20, not 21",
        ),
    ],
)
def test_an_invalid_list_is_one_line(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(BadManifest) as refused:
        trusted(tmp_path, content)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_list_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match=r"^it cannot be read \(No such file or directory\)$"):
        read_manifest(tmp_path / "missing.json")
    with pytest.raises(BadManifest, match=r"^it cannot be read"):
        read_manifest(tmp_path)
