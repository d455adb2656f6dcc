import "./dom.js";

import assert from "node:assert/strict";
import { test } from "node:test";

import { act, createElement as h } from "react";
import { createRoot } from "react-dom/client";

import { useSession, type Session } from "../src/react.js";
import type { SocketState } from "../src/index.js";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

test("a new client begins anew, and the socket of the one before changes nothing any more", async () => {
  const opened: ((state: SocketState) => void)[] = [];
  let session!: Session<number>;
  function Page() {
    session = useSession((onState) => opened.push(onState));
    return null;
  }
  const root = createRoot(document.createElement("div"));
  await act(() => root.render(h(Page)));
  const [first] = opened;
  await act(() => first!("live"));
  assert.deepEqual([session.client, session.link], [1, "live"]);

  await act(() => session.renew());
  assert.deepEqual([session.client, session.link], [2, "connecting"]);
  await act(() => first!("ended"));
  assert.deepEqual([session.client, session.link], [2, "connecting"]);
  await act(() => opened.at(-1)!("live"));
  assert.deepEqual([session.client, session.link], [2, "live"]);
  await act(() => root.unmount());
});
