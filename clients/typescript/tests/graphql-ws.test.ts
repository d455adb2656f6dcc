import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";

import fc from "fast-check";
import { WebSocket, WebSocketServer, type WebSocket as Peer } from "ws";

import { isFinal, openSocket, retryWaitMs, type SocketOptions, type SocketState } from "../src/graphql-ws.js";

const FINAL = [1002, 1009, 1011, 4400, 4401, 4406, 4409, 4429];
const PASSING = [1000, 1001, 1005, 1006, 1012, 1013, 1014, 4408, 4499];

/** A server that acknowledges each connection and then does as told. */
async function serve(context: TestContext, then: (peer: Peer, connections: number) => void) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "graphql-transport-ws" });
  const inits: unknown[] = [];
  const paths: (string | undefined)[] = [];
  server.on("connection", (peer, request) => {
    paths.push(request.url);
    peer.on("message", (text) => {
      const message = JSON.parse(text.toString()) as { type: string; payload?: unknown };
      if (message.type !== "connection_init") return;
      inits.push(message.payload);
      peer.send('{"type":"connection_ack"}');
      then(peer, inits.length);
    });
  });
  await new Promise((listening) => server.once("listening", listening));
  context.after(() => {
    for (const peer of server.clients) peer.terminate();
    server.close();
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, inits, paths };
}

/** Something that happens once. */
class Moment {
  resolve!: () => void;
  readonly come = new Promise<void>((resolve) => (this.resolve = resolve));
}

/** Subscribe, and return the code with which the subscription ended. */
function ended(url: SocketOptions["url"], options: Partial<SocketOptions>): Promise<number> {
  const socket = openSocket({ url, webSocketImpl: WebSocket, retryWait: () => Promise.resolve(), ...options });
  return new Promise((done) => {
    const error = (cause: unknown) => done((cause as { code: number }).code);
    socket.subscribe({ query: "subscription { x }" }, { next: () => undefined, complete: () => undefined, error });
  });
}

test("the codes that end a socket for good, and those after which it comes back", () => {
  assert.deepEqual(FINAL.filter((code) => isFinal(code)), FINAL);
  assert.deepEqual(PASSING.filter((code) => isFinal(code)), []);
  assert.deepEqual([isFinal(4403), isFinal(4403, true)], [true, false]);
});

for (const code of [1011, 4400, 4401, 4403, 4409, 4429]) {
  test(`graphql-ws does not come back after ${code}, and the state says why`, async (context) => {
    const { url, inits } = await serve(context, (peer) => peer.close(code));
    const states: SocketState[] = [];
    assert.equal(await ended(url, { onState: (state) => states.push(state) }), code);
    assert.equal(inits.length, 1);
    assert.equal(states.at(-1), code === 4401 || code === 4403 ? "ended" : "lost");
  });
}

test("it comes back after 1012, 1013, a dropped connection, and 4403 if asked, each time with the newest token", async (context) => {
  const ways = [(peer: Peer) => peer.close(1012), (peer: Peer) => peer.close(1013), (peer: Peer) => peer.terminate()];
  ways.push((peer) => peer.close(4403), (peer) => peer.close(4401));
  const { url, inits } = await serve(context, (peer, connections) => ways[connections - 1]!(peer));
  const states: SocketState[] = [];
  let asked = 0;
  const code = await ended(url, {
    token: () => `${++asked}`,
    retryRefused: true,
    onState: (state) => states.push(state),
  });
  assert.equal(code, 4401);
  assert.deepEqual(inits, [1, 2, 3, 4, 5].map((count) => ({ authorization: `Bearer ${count}` })));
  assert.deepEqual(states.filter((state) => state !== "connecting" && state !== "live"), [
    ...Array<SocketState>(4).fill("reconnecting"),
    "ended",
  ]);
});

test("it goes on trying, however often the server cannot be reached", async (context) => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "graphql-transport-ws" });
  let connections = 0;
  // No connection is acknowledged: an acknowledged one would begin the count anew.
  server.on("connection", (peer) => peer.close(++connections < 20 ? 1012 : 4401));
  await new Promise((listening) => server.once("listening", listening));
  context.after(() => server.close());
  assert.equal(await ended(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {}), 4401);
  assert.equal(connections, 20);
});

test("a socket whose server does not answer a ping within five seconds is given up, and opened again", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { url, inits } = await serve(context, (peer, connections) => {
    if (connections === 2) return peer.close(4401);
    // Answers the first ping alone.
    let answer = '{"type":"pong"}';
    peer.on("message", (text) => {
      if (!text.toString().includes("ping") || answer === "") return;
      peer.send(answer);
      answer = "";
    });
  });
  const states: SocketState[] = [];
  const [isLive, isAnswered] = [new Moment(), new Moment()];
  const code = ended(url, {
    onState: (state) => (states.push(state), state === "live" && isLive.resolve()),
    on: { pong: () => isAnswered.resolve() },
  });
  await isLive.come;
  context.mock.timers.tick(10_000);
  await isAnswered.come;
  context.mock.timers.tick(10_000);
  context.mock.timers.tick(4_999);
  assert.deepEqual(states, ["connecting", "live"]);
  context.mock.timers.tick(1);
  assert.deepEqual(states, ["connecting", "live", "reconnecting"]);
  assert.equal(await code, 4401);
  assert.equal(inits.length, 2);
});

test("a session by cookie sends no token", async (context) => {
  const { url, inits } = await serve(context, (peer) => peer.close(4401));
  await ended(url, {});
  assert.deepEqual(inits, [{}]);
});

test("the wait before a try grows to half a minute at most, and differs by half", () => {
  fc.assert(
    fc.property(fc.nat({ max: 2000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (tries, random) => {
      const longest = Math.min(30_000, 500 * 2 ** tries);
      const wait = retryWaitMs(tries, () => random);
      assert.ok(wait >= longest / 2 && wait <= longest);
    }),
  );
  assert.equal(retryWaitMs(0, () => 0), 250);
  assert.equal(retryWaitMs(3, () => 0.5), 3000);
});

test("graphql-ws asks for the address at each connection, such as for the part of the town", async (context) => {
  const { url, paths } = await serve(context, (peer, connections) => peer.close(connections === 1 ? 1012 : 4401));
  let cell = 0;
  assert.equal(await ended(() => `${url}/?area=${++cell}`, {}), 4401);
  assert.deepEqual(paths, ["/?area=1", "/?area=2"]);
});

test("listeners of one's own hear everything, the state begins once, and the end of the last subscription is no lost connection", async (context) => {
  const { url } = await serve(context, (peer, connections) => {
    if (connections === 1) return peer.close(1012);
    peer.on("message", (text) => text.toString().includes("ping") && peer.send('{"type":"pong"}'));
  });
  const heard: string[] = [];
  const states: SocketState[] = [];
  const [isAnswered, isClosed] = [new Moment(), new Moment()];
  const socket = openSocket({
    url,
    webSocketImpl: WebSocket,
    retryWait: () => Promise.resolve(),
    keepAlive: 1,
    onState: (state) => states.push(state),
    on: {
      connecting: (isRetry) => heard.push(`connecting ${isRetry}`),
      connected: () => heard.push("connected"),
      ping: (isReceived) => heard.push(`ping ${isReceived}`),
      pong: () => isAnswered.resolve(),
      closed: (event) => {
        heard.push(`closed ${(event as { code: number }).code}`);
        if ((event as { code: number }).code === 1000) isClosed.resolve();
      },
    },
  });
  const sink = { next: () => undefined, error: () => undefined, complete: () => undefined };
  const leave = socket.subscribe({ query: "subscription { x }" }, sink);
  await isAnswered.come;
  leave();
  await isClosed.come;
  const once = [...new Set(heard)].sort();
  assert.deepEqual(once, ["closed 1000", "closed 1012", "connected", "connecting false", "connecting true", "ping false"]);
  assert.deepEqual(states, ["connecting", "live", "reconnecting", "live"]);
});
