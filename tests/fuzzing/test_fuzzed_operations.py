"""Operations generated from the schema, valid and almost valid, in every role; and those of hypothesis-graphql."""

import itertools
import json
from functools import partial
from typing import Any

import graphql
import pytest
from graphql import GraphQLSchema, StringValueNode
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_graphql import Mode, mutations, queries

from application.paths import ROOT
from tests.fuzzing.fuzzed import Fuzzed, assert_no_growth, check_errors, fuzz
from tests.support.api import Socket, open_socket

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("fuzzing")]

SCHEMA = graphql.build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))
WHO = st.sampled_from(["NOBODY", "RIDER", "DRIVER"])


def _texts(*texts: str) -> st.SearchStrategy[StringValueNode]:
    return st.sampled_from([StringValueNode(value=text) for text in texts])


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    # Existing ids, unknown ids, and texts that are no ids.
    "ID": _texts("TRIP", "OFFER", "PERSON", "00000000-0000-4000-8000-000000000000", "", "1", "\u2028", "a" * 300),
    "DateTime": _texts("2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+23:59", "now", ""),
    "Upload": _texts("", "photo.jpg"),
}
# Mutations that end a session would leave the fuzzer without one.
MUTATIONS = [name for name in SCHEMA.mutation_type.fields if name != "logOut"]  # pyright: ignore[reportOptionalMemberAccess]
OPERATIONS = st.one_of(
    queries(SCHEMA, custom_scalars=SCALARS),
    mutations(SCHEMA, fields=MUTATIONS, custom_scalars=SCALARS),
    queries(SCHEMA, custom_scalars=SCALARS, mode=Mode.NEGATIVE),
    mutations(SCHEMA, fields=MUTATIONS, custom_scalars=SCALARS, mode=Mode.NEGATIVE),
)
# Its strategies know queries and mutations only: subscriptions are generated as if they were queries.
FOLLOWED = GraphQLSchema(query=SCHEMA.subscription_type, types=list(SCHEMA.type_map.values()))
SUBSCRIPTIONS = st.one_of(
    queries(FOLLOWED, fields=[name], custom_scalars=SCALARS, mode=mode).map("subscription ".__add__)
    for name, field in FOLLOWED.query_type.fields.items()  # pyright: ignore[reportOptionalMemberAccess]
    # Without arguments nothing can be wrong.
    for mode in (Mode if field.args else (Mode.POSITIVE,))
)


def body(target: Fuzzed, document: str) -> bytes:
    """A request with a document."""
    return json.dumps({"query": target.real(document)}).encode()


@fuzz(60)
@given(WHO, OPERATIONS)
async def test_no_query_and_no_mutation_makes_the_server_fail(target: Fuzzed, who: str, document: str) -> None:
    with target.unharmed():
        await target.post(who, body(target, document))


async def follow(target: Fuzzed, who: str, *documents: str) -> None:
    """Begin and end subscriptions on one socket; every answer follows the protocol, and none is a failure of the
    server.
    """
    async with open_socket(target.server.url, headers=target.headers(who)) as socket:
        await socket.init()
        for document in documents:
            events = await socket.start(target.real(document))
            await socket.ping()
            await events.stop()
            await socket.ping()
            check_messages(socket, events.id)


def check_messages(socket: Socket, operation_id: str) -> None:
    """Check the messages of an operation."""
    queue = socket._queue(operation_id)  # pyright: ignore[reportPrivateUsage]
    while not queue.empty():
        message = queue.get_nowait()
        assert isinstance(message, dict), message
        match message["type"]:
            case "next":
                check_errors(message["payload"].get("errors", []))
            case "error":
                check_errors(message["payload"])
            case kind:
                assert kind == "complete"


@fuzz(30)
@given(st.sampled_from(["RIDER", "DRIVER"]), st.lists(SUBSCRIPTIONS, min_size=1, max_size=5))
async def test_no_subscription_makes_the_server_fail(target: Fuzzed, who: str, documents: list[str]) -> None:
    with target.unharmed():
        await follow(target, who, *documents)


# If a root field that is not nullable fails, graphql-core cancels what its siblings have begun, also resolvers
# that have not run yet. Python warns of these, and pytest would keep each warning with its objects.
@pytest.mark.filterwarnings("ignore:coroutine .*_async_resolver.* was never awaited:RuntimeWarning")
async def test_operations_leave_nothing_in_memory(target: Fuzzed) -> None:
    documents: list[str] = []

    @fuzz(8)
    @given(OPERATIONS)
    def collect(document: str) -> None:
        documents.append(document)

    collect()
    people = itertools.cycle(target.people)
    await assert_no_growth(
        *(partial(target.post, next(people), body(target, document)) for document in documents[:500])
    )
