/** The socket of the set-up, in Node, and in a hurry; the test hears of its coming and going. */
import { setTimeout } from "node:timers/promises";
import type { Client, ClientOptions } from "graphql-ws";
import { WebSocket, type CloseEvent } from "ws";
import type { Person } from "./client.js";
import type { Session } from "./setup/session.js";
import { openSocket as openSocketOfSetup } from "./setup/socket.js";

const RETRY_WAIT_MS = 50;

/** The options of a socket for this test. */
export function socketOptions(person: Person) {
  let connected = 0;
  let isConnected = false;
  process.once("exit", () => person.report("exit", { connected }));
  return {
    webSocketImpl: WebSocket,
    retryWait: () => setTimeout(RETRY_WAIT_MS),
    on: {
      connected: () => {
        connected += 1;
        isConnected = true;
        person.report("connected");
      },
      closed: (event: unknown) => {
        const { code, reason } = event as CloseEvent;
        if (isConnected) person.report("closed", { code, reason });
        isConnected = false;
      },
    },
  };
}

export function openSocket(person: Person, session: Session, options?: Partial<ClientOptions>): Client {
  return openSocketOfSetup(person.server, session, { ...socketOptions(person), ...options });
}
