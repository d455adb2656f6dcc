/** The graphql-ws client that all three libraries speak through, set up as a page of ours should do it. */
import { setTimeout } from "node:timers/promises";
import { createClient, type Client, type ClientOptions } from "graphql-ws";
import { WebSocket, type CloseEvent } from "ws";
import type { Person } from "./client.js";

const RETRY_WAIT_MS = 50;

export function openSocket(person: Person, options: Pick<ClientOptions, "connectionParams" | "webSocketImpl">): Client {
  let connected = 0;
  let isConnected = false;
  process.once("exit", () => person.report("exit", { connected }));
  return createClient({
    url: `${person.server.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    // By default a client gives up for good when it cannot reach the server, or after five attempts; and it asks
    // again and again when it is refused (4403), although only a log-in can help.
    retryAttempts: Infinity,
    shouldRetry: (event) => (event as CloseEvent).code !== 4403,
    retryWait: () => setTimeout(RETRY_WAIT_MS),
    on: {
      connected: () => {
        connected += 1;
        isConnected = true;
        person.report("connected");
      },
      closed: (event) => {
        const { code, reason } = event as CloseEvent;
        if (isConnected) person.report("closed", { code, reason });
        isConnected = false;
      },
    },
    ...options,
  });
}
