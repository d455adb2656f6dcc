/** What `overApollo` and `overUrql` send and tell, beside fakes of the network. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import type { Sink } from "graphql-ws";

import { createApollo, overApollo } from "../src/apollo.js";
import { Me, SetOnDuty, WatchPool, type Connection, type Problem, type Socket } from "../src/index.js";
import { createUrql, overUrql } from "../src/urql.js";

interface Options {
  token?: () => string | undefined;
  socket?: Socket;
}

const url = "https://taxi.example/graphql";
const LIBRARIES: Record<string, (options: Options) => Connection> = {
  "Apollo Client": (options) => overApollo(createApollo({ url, ...options })),
  urql: (options) => overUrql(createUrql({ url, ...options })),
};

const NOBODY = { me: null };
const OFF_DUTY = { setOnDuty: { __typename: "UserPayload", errors: [] } };
const SNAPSHOT = { driverPool: { __typename: "PoolSnapshot", offers: [], truncated: false, paused: null } };

/** Requests, each of which gets this answer. */
function answering(context: TestContext, answer: () => Response): RequestInit[] {
  const sent: RequestInit[] = [];
  context.mock.method(globalThis, "fetch", async (_: unknown, init: RequestInit) => {
    sent.push(init);
    return answer();
  });
  return sent;
}

const json = (body: object, status = 200) => () =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

/** The subscriptions of a socket: the sinks of those that have not ended. */
function socket() {
  const sinks: Sink<any>[] = [];
  const subscribe = (_: unknown, sink: Sink<any>) => {
    sinks.push(sink);
    return () => void sinks.splice(sinks.indexOf(sink), 1);
  };
  return { sinks, socket: { subscribe } satisfies Socket };
}

/** One turn of the loop: urql subscribes, and both tell some things, a moment later. */
const turn = () => new Promise((done) => setTimeout(done));

for (const [name, open] of Object.entries(LIBRARIES)) {
  test(`${name} asks the server each time, by POST, with the cookies and the token of now`, async (context) => {
    const sent = answering(context, json({ data: NOBODY }));
    let asked = 0;
    const connection = open({ token: () => (++asked < 3 ? `${asked}` : undefined) });
    for (let at = 0; at < 3; at++) assert.deepEqual(await connection.ask(Me, {}), { data: NOBODY, problems: [] });
    const told = sent.map(({ method, credentials, headers }) => [method, credentials, new Headers(headers).get("authorization")]);
    assert.deepEqual(told, [
      ["POST", "include", "Bearer 1"],
      ["POST", "include", "Bearer 2"],
      ["POST", "include", null],
    ]);
  });

  test(`${name} tells the data of a mutation, or why there are none`, async (context) => {
    let answer = json({ data: OFF_DUTY });
    const sent = answering(context, () => answer());
    const connection = open({});
    const ask = () => connection.ask(SetOnDuty, { onDuty: false });
    assert.deepEqual(await ask(), { data: OFF_DUTY, problems: [] });
    assert.match(String(sent[0]!.body), /"onDuty":false/);

    const errors = [{ message: "Log in.", extensions: { code: "UNAUTHENTICATED" } }];
    answer = json({ data: OFF_DUTY, errors });
    assert.deepEqual(await ask(), { data: null, problems: [{ code: "UNAUTHENTICATED", text: "Log in." }] });
    answer = json({ errors }, 413);
    assert.deepEqual(await ask(), { data: null, problems: [{ code: "UNAUTHENTICATED", text: "Log in." }] });
    answer = () => {
      throw new TypeError("fetch failed");
    };
    const { data, problems } = await ask();
    assert.deepEqual([data, problems.map(({ code }) => code)], [null, ["UNREACHABLE"]]);
  });

  test(`${name} begins each subscription with its own snapshot, also beside an equal one`, async () => {
    const { sinks, socket: each } = socket();
    const connection = open({ socket: each });
    const heard: [string, unknown][] = [];
    const follow = (who: string) =>
      connection.follow(
        WatchPool,
        {},
        (data) => heard.push([who, data]),
        (problems: Problem[]) => heard.push([who, problems[0]!.code]),
      );
    const leave = follow("first");
    await turn();
    sinks[0]!.next({ data: SNAPSHOT });
    const leaveToo = follow("second");
    await turn();
    assert.equal(sinks.length, 2);
    heard.length = 0;
    sinks[1]!.next({ data: SNAPSHOT });
    await turn();
    assert.deepEqual(
      heard.filter(([who]) => who === "second"),
      [["second", SNAPSHOT]],
    );
    leave();
    leaveToo();
    assert.deepEqual(sinks, []);
  });

  test(`${name} tells why a subscription has ended, and nothing at the end of one that was complete`, async () => {
    for (const [end, expected] of [
      [(sink: Sink<any>) => sink.complete(), []],
      [(sink: Sink<any>) => sink.error({ code: 4401, reason: "" }), ["UNAUTHENTICATED"]],
      [(sink: Sink<any>) => (sink.next({ data: null, errors: [{ message: "No.", extensions: { code: "FORBIDDEN" } } as never] }), sink.complete()), ["FORBIDDEN"]],
    ] as const) {
      const { sinks, socket: each } = socket();
      const heard: unknown[] = [];
      open({ socket: each }).follow(
        WatchPool,
        {},
        (data) => heard.push(data),
        (problems) => heard.push(...problems.map(({ code }) => code)),
      );
      await turn();
      const [sink] = sinks;
      sink!.next({ data: SNAPSHOT });
      end(sink!);
      await turn();
      // urql may tell an error twice.
      assert.deepEqual([heard[0], ...new Set(heard.slice(1))], [SNAPSHOT, ...expected]);
    }
  });
}
