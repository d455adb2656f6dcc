/**
 * The "distinct connections mode" of GraphQL over SSE, with the protocol's own client (graphql-sse) as counterpart.
 * Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
 */
import assert from "node:assert/strict";
import { createClient } from "graphql-sse";
import { ask, audit, CANCEL, MY_TRIPS, REQUEST, WATCH } from "./audit.mjs";

export function eventStreamAudits({ url, token }) {
  const me = { url, token };
  const headers = { Authorization: `Bearer ${token}` };

  /** The raw answer to a request for an event stream. */
  const open = (query, init = {}) =>
    fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream", ...headers, ...init.headers },
      body: JSON.stringify({ query }),
    });

  /** The results that graphql-sse's client returns for an operation that ends by itself, and the raw events. */
  async function results(query, variables) {
    const events = [];
    const client = createClient({ url, headers, retryAttempts: 0, on: { message: ({ event }) => events.push(event) } });
    const found = [];
    for await (const result of client.iterate({ query, variables })) found.push(result);
    client.dispose();
    return { found, events };
  }

  return [
    audit("E100", "MUST answer with text/event-stream", async () => {
      for (const query of ["{ __typename }", "{", "{ nothing }"]) {
        const response = await open(query);
        assert.equal(response.status, 200);
        assert.match(response.headers.get("content-type"), /^text\/event-stream(;|$)/);
        await response.text();
      }
    }),
    audit("E101", "MUST include an empty data field with complete, for EventSource", async () => {
      assert.match(await (await open("{ __typename }")).text(), /\n\nevent: complete\ndata:\s*\n\n$/);
    }),
    audit("E102", "MUST end the response after complete", async () => {
      assert.equal((await (await open("{ __typename }")).text()).match(/event: complete/g).length, 1);
    }),
    audit("E103", "SHOULD keep caches and buffering proxies from the stream", async () => {
      const response = await open("{ __typename }");
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.equal(response.headers.get("x-accel-buffering"), "no");
      await response.text();
    }),
    ...["{ me { role } }", "mutation { logIn(username: \"a\", password: \"b\") { errors { code } } }"].map(
      (query, index) =>
        audit(`E20${index}`, `MUST stream a ${index ? "mutation" : "query"} as one next event and complete`, async () => {
          const { found, events } = await results(query);
          assert.equal(found.length, 1);
          assert.equal(found[0].errors, undefined);
          assert.deepEqual(events, ["next", "complete"]);
        }),
    ),
    ...[
      ["a document that cannot be parsed", "{"],
      ["a document that is not valid", "{ nothing }"],
      ["an unknown operation", "fragment F on Query { __typename }"],
      ["a variable that does not fit", "query ($a: Int!) { __typename @include(if: true) trips(first: $a) { nodes { id } } }"],
      ["a subscription that may not begin", WATCH, { id: "none" }],
    ].map(([what, query, variables], index) =>
      audit(`E30${index}`, `MUST report ${what} as a next event`, async () => {
        const { found, events } = await results(query, variables);
        assert.equal(found.length, 1);
        assert.ok(found[0].errors[0].extensions.code);
        assert.deepEqual(events, ["next", "complete"]);
      }),
    ),
    audit("E400", "MUST stream each result of a subscription, and complete when the source has ended", async () => {
      const { id } = (await ask(me, REQUEST)).createTrip.trip;
      const client = createClient({ url, headers, retryAttempts: 0 });
      const seen = [];
      for await (const { data } of client.iterate({ query: WATCH, variables: { id } })) {
        seen.push(data.tripUpdated.status);
        if (seen.length === 1) await ask(me, CANCEL, { id });
      }
      assert.deepEqual(seen, ["REQUESTED", "CANCELLED"]);
    }),
    audit("E401", "MUST take the closed connection of a client as the end of its subscription", async () => {
      const client = createClient({ url, headers, retryAttempts: 0 });
      // More streams than one user may have open: each has freed its place.
      for (let i = 0; i < 8; i++) {
        for await (const { data } of client.iterate({ query: MY_TRIPS })) {
          assert.equal(data.myTripsUpdated.__typename, "MyTripsSnapshot");
          break;
        }
      }
      client.dispose();
    }),
    audit("E402", "MAY carry several operations of a client at once", async () => {
      const names = await Promise.all(["a", "b", "c"].map((name) => results(`{ ${name}: __typename }`)));
      assert.deepEqual(names.map(({ found }) => Object.keys(found[0].data)[0]), ["a", "b", "c"]);
    }),
    audit("E500", "SHOULD refuse the reservation of the single connection mode, which is not offered", async () => {
      const response = await fetch(url, { method: "PUT", headers });
      assert.equal(response.status, 405);
      assert.equal(response.headers.get("allow"), "GET, POST");
    }),
  ];
}
