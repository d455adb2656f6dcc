/**
 * graphql-transport-ws, sentence by sentence, because the registry has no audit suite. Every message of the server must
 * pass the validation of graphql-ws, the protocol's reference implementation; its client is the counterpart of the last
 * audits.
 * Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { createClient, validateMessage } from "graphql-ws";
import { WebSocket } from "ws";
import { ask, audit, CANCEL, inTime, MY_TRIPS, REQUEST, WATCH } from "./audit.mjs";

const TYPENAME = { query: "{ __typename }" };
const NOT_OBJECTS = ["text", 1, true, ["array"]];

export function socketAudits({ url, token }) {
  const me = { url, token };
  const socketUrl = url.replace("http", "ws");
  const credentials = { authorization: `Bearer ${token}` };

  /** Runs a check on a new socket; `isReady`: after `connection_ack`. */
  const on = (isReady, check) => async () => {
    const socket = await Socket.open(socketUrl);
    try {
      if (isReady) await socket.init(credentials);
      await check(socket);
    } finally {
      socket.end();
    }
  };
  const fresh = (check) => on(false, check);
  const ready = (check) => on(true, check);

  const handshakes = [
    ["H100", "MUST speak graphql-transport-ws when it is offered", ["graphql-transport-ws"], { chosen: "graphql-transport-ws" }],
    ["H101", "MUST choose graphql-transport-ws among others", ["graphql-ws", "soap", "graphql-transport-ws"], { chosen: "graphql-transport-ws" }],
    ["H102", "MUST close with 4406 when no subprotocol is offered", [], { code: 4406 }],
    ["H103", "MUST close with 4406 when only the legacy graphql-ws is offered", ["graphql-ws"], { code: 4406 }],
    ["H104", "MUST close with 4406 when only unknown subprotocols are offered", ["soap", "wamp"], { code: 4406 }],
    ["H105", "MUST NOT take another spelling of the subprotocol", ["GraphQL-Transport-WS"], { code: 4406 }],
  ].map(([id, name, offered, expected]) =>
    audit(id, name, async () => assert.deepEqual(await handshake(url, offered), expected)),
  );

  const introductions = [
    ...[undefined, null, {}, { some: "thing", nested: { a: [1] } }].map((payload, index) =>
      audit(`I10${index}`, `MUST take a connection_init with the payload ${JSON.stringify(payload)}`, async () => {
        // Without a token in the payload the headers identify the user.
        const socket = await Socket.open(socketUrl, { Authorization: `Bearer ${token}` });
        await socket.init(payload);
        socket.end();
      }),
    ),
    ...NOT_OBJECTS.map((payload, index) =>
      audit(`I11${index}`, `MUST close with 4400 when the payload of connection_init is ${JSON.stringify(payload)}`, fresh(async (socket) => {
        socket.send({ type: "connection_init", payload });
        await socket.closes(4400);
      })),
    ),
    {
      ...audit("I120", "MUST close with 4408 when no connection_init comes in time, and no socket that sent one", async () => {
        const [silent, introduced] = [await Socket.open(socketUrl), await Socket.open(socketUrl)];
        await introduced.init(credentials);
        await silent.closes(4408, "Connection initialisation timeout");
        await introduced.ping();
        introduced.end();
      }),
      waits: true,
    },
    audit("I130", "MUST close with 4429 on a second connection_init", ready(async (socket) => {
      socket.send({ type: "connection_init", payload: credentials });
      await socket.closes(4429, "Too many initialisation requests");
    })),
    audit("I131", "MUST close with 4429 on a second connection_init while the first is pending", fresh(async (socket) => {
      const introduction = { type: "connection_init", payload: credentials };
      socket.sendTogether(introduction, introduction);
      await socket.closes(4429, "Too many initialisation requests", ['{"type":"connection_ack"}']);
    })),
    audit("I140", "SHOULD close with 4403 when the connection is refused: without credentials", fresh(async (socket) => {
      socket.send({ type: "connection_init" });
      await socket.closes(4403);
    })),
    audit("I141", "SHOULD close with 4403 when the connection is refused: with a wrong token", fresh(async (socket) => {
      socket.send({ type: "connection_init", payload: { authorization: "Bearer wrong" } });
      await socket.closes(4403);
    })),
    audit("I150", "MUST acknowledge before it executes what came together with connection_init", fresh(async (socket) => {
      socket.send({ type: "connection_init", payload: credentials });
      socket.send({ type: "subscribe", id: "1", payload: TYPENAME });
      assert.equal((await socket.next()).type, "connection_ack");
      assert.equal((await socket.next()).type, "next");
    })),
  ];

  const pings = [
    audit("P100", "MUST answer ping with pong before connection_init", fresh((socket) => socket.ping())),
    audit("P101", "MUST answer ping with pong after connection_init", ready((socket) => socket.ping())),
    audit("P102", "MUST answer each of many pings, in their order", ready(async (socket) => {
      for (let n = 0; n < 100; n++) socket.send({ type: "ping", payload: { n } });
      for (let n = 0; n < 100; n++) assert.deepEqual(await socket.next(), { type: "pong", payload: { n } });
    })),
    ...[{}, { a: 1 }, { "ключ": ["🏃", null, 1.5, true, { b: "" }] }].map((payload, index) =>
      audit(`P11${index}`, `SHOULD send the payload ${JSON.stringify(payload)} of ping back`, ready(async (socket) => {
        socket.send({ type: "ping", payload });
        assert.deepEqual(await socket.next(), { type: "pong", payload });
      })),
    ),
    audit("P113", "MUST take a null payload of ping", ready(async (socket) => {
      socket.send({ type: "ping", payload: null });
      assert.deepEqual(await socket.next(), { type: "pong" });
    })),
    ...[undefined, null, {}, { a: 1 }].map((payload, index) =>
      audit(`P12${index}`, `MUST take an unsolicited pong with the payload ${JSON.stringify(payload)}`, ready(async (socket) => {
        socket.send({ type: "pong", payload });
        await socket.ping();
      })),
    ),
    ...["ping", "pong"].flatMap((type) =>
      NOT_OBJECTS.map((payload, index) =>
        audit(`P${type === "ping" ? 13 : 14}${index}`, `MUST close with 4400 when the payload of ${type} is ${JSON.stringify(payload)}`, ready(async (socket) => {
          socket.send({ type, payload });
          await socket.closes(4400);
        })),
      ),
    ),
    audit("P150", "MUST answer a ping of the WebSocket protocol (RFC 6455)", fresh((socket) => socket.lowPing())),
  ];

  const operations = [
    audit("S100", "MUST close with 4401 on subscribe before connection_init", fresh(async (socket) => {
      socket.send({ type: "subscribe", id: "1", payload: TYPENAME });
      await socket.closes(4401, "Unauthorized");
    })),
    audit("S110", "MUST answer a query with one next and complete", ready(async (socket) => {
      await socket.isSingleResult({ query: "{ me { role } }" }, { me: { role: "RIDER" } });
    })),
    audit("S111", "MUST answer a mutation with one next and complete", ready(async (socket) => {
      const query = `mutation { updateTrip(input: { id: "${randomUUID()}", status: CANCELLED }) { errors { code } } }`;
      await socket.isSingleResult({ query }, { updateTrip: { errors: [{ code: "TRIP_NOT_FOUND" }] } });
    })),
    audit("S112", "MUST use the operation that is named and the variables that are given", ready(async (socket) => {
      const query = "query A { a: __typename } query B($b: Boolean!) { b: __typename @include(if: $b) c: __typename }";
      await socket.isSingleResult({ query, operationName: "B", variables: { b: false } }, { c: "Query" });
    })),
    ...["operationName", "variables", "extensions"].map((name, index) =>
      audit(`S12${index}`, `MUST take null for ${name}`, ready(async (socket) => {
        await socket.isSingleResult({ ...TYPENAME, [name]: null }, { __typename: "Query" });
      })),
    ),
    audit("S123", "MUST take an object for extensions", ready(async (socket) => {
      await socket.isSingleResult({ ...TYPENAME, extensions: { some: "value" } }, { __typename: "Query" });
    })),
    audit("S130", "MUST stream a subscription as next messages, and stop at the client's complete", ready(async (socket) => {
      socket.send({ type: "subscribe", id: "1", payload: { query: MY_TRIPS } });
      assert.equal((await socket.next()).payload.data.myTripsUpdated.__typename, "MyTripsSnapshot");
      const { id } = (await ask(me, REQUEST)).createTrip.trip;
      assert.equal((await socket.next()).payload.data.myTripsUpdated.trip.id, id);
      socket.send({ type: "complete", id: "1" });
      await socket.ping();
      await ask(me, CANCEL, { id });
      // A remaining subscription would have received the event before this answer.
      socket.send({ type: "subscribe", id: "2", payload: { query: MY_TRIPS } });
      assert.equal((await socket.next()).id, "2");
    })),
    audit("S131", "MUST send complete when the source stream has ended, and nothing after it", ready(async (socket) => {
      const { id } = (await ask(me, REQUEST)).createTrip.trip;
      socket.send({ type: "subscribe", id: "1", payload: { query: WATCH, variables: { id } } });
      assert.equal((await socket.next()).payload.data.tripUpdated.status, "REQUESTED");
      await ask(me, CANCEL, { id });
      assert.equal((await socket.next()).payload.data.tripUpdated.status, "CANCELLED");
      assert.deepEqual(await socket.next(), { type: "complete", id: "1" });
      await socket.ping();
    })),
    ...[
      ["a document that cannot be parsed", { query: "{" }],
      ["an empty document", { query: "" }],
      ["a document that is not valid", { query: "{ nothing }" }],
      ["an operation that is not there", { query: "query A { __typename }", operationName: "B" }],
      ["several operations without a name", { query: "query A { __typename } query B { __typename }" }],
      ["a variable that does not fit", { query: "query ($a: Int!) { trips(first: $a) { nodes { id } } }", variables: { a: "x" } }],
      ["a missing variable", { query: "query ($a: Int!) { trips(first: $a) { nodes { id } } }" }],
      ["a subscription that may not begin", { query: WATCH, variables: { id: randomUUID() } }],
    ].map(([what, payload], index) =>
      audit(`S14${index}`, `MUST answer ${what} with error, and neither next nor complete`, ready(async (socket) => {
        socket.send({ type: "subscribe", id: "1", payload });
        const { type, id, payload: errors } = await socket.next();
        assert.deepEqual([type, id], ["error", "1"]);
        assert.ok(errors[0].extensions.code);
        await socket.ping();
      })),
    ),
    audit("S150", "MUST close with 4409 when an id is used again while its subscription is active", ready(async (socket) => {
      socket.send({ type: "subscribe", id: "mine", payload: { query: MY_TRIPS } });
      await socket.next();
      socket.send({ type: "subscribe", id: "mine", payload: TYPENAME });
      await socket.closes(4409, "Subscriber for mine already exists");
    })),
    audit("S151", "MUST close with 4409 when an id is used again while its query is pending", ready(async (socket) => {
      socket.sendTogether(
        { type: "subscribe", id: "mine", payload: { query: "{ me { id } }" } },
        { type: "subscribe", id: "mine", payload: TYPENAME },
      );
      await socket.closes(4409, "Subscriber for mine already exists");
    })),
    ...[
      ["the server's complete", TYPENAME, 2],
      ["an error", { query: "{" }, 1],
      ["the client's complete", { query: MY_TRIPS }, 1],
    ].map(([what, payload, answers], index) =>
      audit(`S16${index}`, `MUST let an id be used again after ${what}`, ready(async (socket) => {
        for (let round = 0; round < 3; round++) {
          socket.send({ type: "subscribe", id: "1", payload });
          for (let n = 0; n < answers; n++) assert.equal((await socket.next()).id, "1");
          if (payload.query === MY_TRIPS) socket.send({ type: "complete", id: "1" });
        }
        await socket.ping();
      })),
    ),
    audit("S170", "MUST keep many operations at once apart", ready(async (socket) => {
      const ids = Array.from({ length: 30 }, (_, n) => `op-${n}`);
      for (const id of ids) socket.send({ type: "subscribe", id, payload: { query: `{ me { ${id.replace("-", "")}: role } }` } });
      const results = new Map();
      const completed = new Set();
      while (completed.size < ids.length) {
        const { type, id, payload } = await socket.next();
        if (type === "complete") completed.add(id);
        else results.set(id, Object.keys(payload.data.me)[0]);
      }
      for (const id of ids) assert.equal(results.get(id), id.replace("-", ""));
    })),
    ...[" ", "🏃", "\u0000", '"quoted\\"', "__proto__", "constructor", "x".repeat(255)].map((id, index) =>
      audit(`S18${index}`, `MUST take ${JSON.stringify(id).slice(0, 20)} as an id`, ready(async (socket) => {
        socket.send({ type: "subscribe", id, payload: TYPENAME });
        assert.deepEqual(await socket.next(), { type: "next", id, payload: { data: { __typename: "Query" } } });
        assert.deepEqual(await socket.next(), { type: "complete", id });
      })),
    ),
  ];

  const completions = [
    audit("C100", "MUST ignore complete for an unknown id", ready(async (socket) => {
      socket.send({ type: "complete", id: "unknown" });
      await socket.ping();
    })),
    audit("C101", "MUST ignore complete for an operation that has completed", ready(async (socket) => {
      await socket.isSingleResult(TYPENAME, { __typename: "Query" });
      socket.send({ type: "complete", id: "1" });
      await socket.ping();
    })),
    audit("C102", "MUST ignore complete for an operation that has failed", ready(async (socket) => {
      socket.send({ type: "subscribe", id: "1", payload: { query: "{" } });
      assert.equal((await socket.next()).type, "error");
      socket.send({ type: "complete", id: "1" });
      await socket.ping();
    })),
    audit("C103", "MUST NOT send the result of a query that the client completed before", ready(async (socket) => {
      const payload = { query: "{ me { id } }" };
      // The second one is sent later, and is answered first.
      socket.sendTogether(
        { type: "subscribe", id: "1", payload },
        { type: "complete", id: "1" },
        { type: "subscribe", id: "2", payload },
      );
      assert.deepEqual([(await socket.next()).id, (await socket.next()).id], ["2", "2"]);
      await socket.ping();
    })),
  ];

  const malformed = [
    ["no type", {}],
    ["a type that is null", { type: null }],
    ["a type that is no string", { type: { a: 1 } }],
    ["an unknown type", { type: "unknown" }],
    ["another spelling of a type", { type: "PING" }],
    ["connection_ack, which only servers send", { type: "connection_ack" }],
    ["next, which only servers send", { type: "next", id: "1", payload: { data: {} } }],
    ["error, which only servers send", { type: "error", id: "1", payload: [{ message: "x" }] }],
    ["start, of the legacy protocol", { type: "start", id: "1", payload: TYPENAME }],
    ["stop, of the legacy protocol", { type: "stop", id: "1" }],
    ["connection_terminate, of the legacy protocol", { type: "connection_terminate" }],
    ["subscribe without an id", { type: "subscribe", payload: TYPENAME }],
    ["subscribe with an empty id", { type: "subscribe", id: "", payload: TYPENAME }],
    ["subscribe with a number as id", { type: "subscribe", id: 1, payload: TYPENAME }],
    ["subscribe with null as id", { type: "subscribe", id: null, payload: TYPENAME }],
    ["subscribe without a payload", { type: "subscribe", id: "1" }],
    ...[null, ...NOT_OBJECTS].map((payload) => [
      `subscribe with the payload ${JSON.stringify(payload)}`,
      { type: "subscribe", id: "1", payload },
    ]),
    ...[undefined, null, 1, true, {}, ["array"]].map((query) => [
      `subscribe with the query ${JSON.stringify(query)}`,
      { type: "subscribe", id: "1", payload: { query } },
    ]),
    ...[1, true, {}, ["array"]].map((operationName) => [
      `subscribe with the operationName ${JSON.stringify(operationName)}`,
      { type: "subscribe", id: "1", payload: { ...TYPENAME, operationName } },
    ]),
    ...["variables", "extensions"].flatMap((name) =>
      NOT_OBJECTS.map((value) => [
        `subscribe with the ${name} ${JSON.stringify(value)}`,
        { type: "subscribe", id: "1", payload: { ...TYPENAME, [name]: value } },
      ]),
    ),
    ["complete without an id", { type: "complete" }],
    ["complete with an empty id", { type: "complete", id: "" }],
    ["complete with a number as id", { type: "complete", id: 1 }],
    ["an empty message", ""],
    ["what is not JSON", "{"],
    ["JSON with something behind it", '{"type":"ping"} {}'],
    ...["null", "1", '"ping"', "[]", '[{"type":"ping"}]', "true"].map((text) => [`${text} instead of an object`, text]),
    ["a binary message", Buffer.from('{"type":"ping"}')],
    ["a nesting of 20,000 levels", `{"type":"ping","payload":${'{"a":'.repeat(8_000)}`],
    ["a ping nested more deeply than it could be answered", `{"type":"ping","payload":${'{"a":'.repeat(900)}1${"}".repeat(901)}`],
  ].map(([what, message], index) =>
    audit(`M${100 + index}`, `MUST close with 4400 on ${what}`, ready(async (socket) => {
      socket.send(message);
      await socket.closes(4400);
    })),
  );

  const closing = [
    audit("X100", "MUST take the client's 1000 as the normal end", ready(async (socket) => {
      socket.send({ type: "subscribe", id: "1", payload: { query: MY_TRIPS } });
      await socket.next();
      socket.end();
      await socket.closes(1000);
    })),
    audit("X101", "MUST NOT answer what comes after the message that closed the socket", ready(async (socket) => {
      socket.send("{");
      for (let n = 0; n < 10; n++) socket.send({ type: "ping" });
      await socket.closes(4400);
    })),
  ];

  /** Runs a check with a client of graphql-ws, which fails on everything outside the protocol. */
  const withClient = (options, check) => async () => {
    const closed = [];
    const client = createClient({
      url: socketUrl,
      webSocketImpl: WebSocket,
      connectionParams: credentials,
      retryAttempts: 0,
      ...options,
      on: { ...options.on, closed: (event) => closed.push(event.code) },
    });
    await check(client, closed);
    await client.dispose();
  };

  const clients = [
    audit("W100", "MUST serve a query of a graphql-ws client, which then closes the socket with 1000", withClient({}, async (client, closed) => {
      for await (const result of client.iterate(TYPENAME)) assert.deepEqual(result, { data: { __typename: "Query" } });
      while (closed.length === 0) await new Promise(setImmediate);
      assert.deepEqual(closed, [1000]);
    })),
    audit("W101", "MUST serve a subscription of a graphql-ws client that leaves it, and the next on the same socket", withClient({ lazyCloseTimeout: 10_000 }, async (client, closed) => {
      for (let round = 0; round < 5; round++) {
        for await (const { data } of client.iterate({ query: MY_TRIPS })) {
          assert.equal(data.myTripsUpdated.__typename, "MyTripsSnapshot");
          break;
        }
      }
      assert.deepEqual(closed, []);
    })),
    audit("W102", "MUST report errors to a graphql-ws client as GraphQL errors", withClient({}, async (client) => {
      await assert.rejects(client.iterate({ query: "{ nothing }" }).next(), (errors) => errors[0].extensions.code === "GRAPHQL_VALIDATION_FAILED");
    })),
    audit("W103", "MUST answer the pings of a graphql-ws client", async () => {
      let answered;
      const pong = new Promise((resolve) => (answered = resolve));
      await withClient({ lazy: false, keepAlive: 5, on: { pong: (isReceived) => isReceived && answered() } }, () => pong)();
    }),
    audit("W104", "MUST refuse a graphql-ws client with 4403, which it may come back after", withClient({ connectionParams: {}, shouldRetry: () => false }, async (client) => {
      await assert.rejects(client.iterate(TYPENAME).next(), (event) => event.code === 4403);
    })),
    audit("W105", "MUST survive a graphql-ws client that cuts the connection", withClient({}, async (client) => {
      const events = client.iterate({ query: MY_TRIPS });
      await events.next();
      client.terminate();
      await assert.rejects(events.next());
    })),
  ];

  return [...handshakes, ...introductions, ...pings, ...operations, ...completions, ...malformed, ...closing, ...clients];
}

/** One connection: graphql-ws validates the messages, which wait until the audit reads them. */
class Socket {
  #socket;
  #arrived = [];
  #wake = () => {};
  #closed;

  static async open(url, headers = {}) {
    const socket = new WebSocket(url, "graphql-transport-ws", { headers });
    const opened = new Socket(socket);
    await inTime(new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject)));
    return opened;
  }

  constructor(socket) {
    this.#socket = socket;
    this.#closed = new Promise((resolve) => socket.on("close", (code, reason) => resolve({ code, reason: `${reason}` })));
    socket.on("message", (data, isBinary) => {
      this.#arrived.push(isBinary ? new Error("a binary message") : `${data}`);
      this.#wake();
    });
  }

  /** Sends an object as JSON, or a text or bytes unchanged. */
  send(message) {
    this.#socket.send(typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  /** Sends several messages in one piece, so that the server has all of them before it answers the first. */
  sendTogether(...messages) {
    const { _socket: connection } = this.#socket;
    connection.cork();
    for (const message of messages) this.send(message);
    connection.uncork();
  }

  /** The next message; throws if the protocol has no such message. */
  async next() {
    while (this.#arrived.length === 0) await inTime(new Promise((resolve) => (this.#wake = resolve)));
    return validateMessage(JSON.parse(this.#arrived.shift()));
  }

  async init(payload) {
    this.send({ type: "connection_init", payload });
    assert.equal((await this.next()).type, "connection_ack");
  }

  /** Fails unless the next message is pong: nothing else was on its way. */
  async ping() {
    this.send({ type: "ping" });
    assert.deepEqual(await this.next(), { type: "pong" });
  }

  lowPing() {
    return new Promise((resolve) => this.#socket.once("pong", resolve).ping());
  }

  /** Fails unless the operation has one result, and then completes. */
  async isSingleResult(payload, data) {
    this.send({ type: "subscribe", id: "1", payload });
    assert.deepEqual(await this.next(), { type: "next", id: "1", payload: { data } });
    assert.deepEqual(await this.next(), { type: "complete", id: "1" });
    await this.ping();
  }

  /** Fails unless the socket closes with this code, and only allowed messages come before. */
  async closes(code, reason, mayCome = []) {
    const closed = await inTime(this.#closed);
    assert.equal(closed.code, code, closed.reason);
    if (reason !== undefined) assert.equal(closed.reason, reason);
    assert.deepEqual(this.#arrived.filter((text) => !mayCome.includes(text)), []);
  }

  end() {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(1000);
  }
}

/** A handwritten handshake: libraries refuse one without a subprotocol before they see the close code. */
function handshake(url, offered) {
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    ...(offered.length && { "Sec-WebSocket-Protocol": offered.join(", ") }),
  };
  return inTime(new Promise((resolve, reject) => {
    request(url, { headers })
      .on("error", reject)
      .on("response", (response) => resolve({ status: response.statusCode }))
      .on("upgrade", (response, socket, head) => {
        const chosen = response.headers["sec-websocket-protocol"];
        if (chosen !== undefined) {
          socket.destroy();
          resolve({ chosen });
          return;
        }
        let bytes = head;
        const look = () => {
          if (bytes.length < 4) return;
          socket.destroy();
          // A close frame: its code comes after two bytes.
          assert.equal(bytes[0], 0x88);
          resolve({ code: bytes.readUInt16BE(2) });
        };
        socket.on("data", (data) => ((bytes = Buffer.concat([bytes, data])), look()));
        look();
      })
      .end();
  }));
}
