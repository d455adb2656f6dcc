/** One socket for all subscriptions of a person, over graphql-ws. */
import { createClient, type Client, type ClientOptions } from "graphql-ws";

import type { SocketState } from "./connection.js";

export type { SocketState };

export interface SocketOptions extends Omit<ClientOptions, "url" | "connectionParams" | "shouldRetry"> {
  /** The address of the API, `wss://HOST/graphql`, or a function that is asked for it at each connection. */
  url: ClientOptions["url"];
  /** The token of `logIn(issueToken: true)`, asked for at each connection; leave it out if the session is a cookie. */
  token?: (() => string | undefined) | undefined;
  /** Called with each change of the state. */
  onState?: (state: SocketState) => void;
  /** Come back also after 4403, for a page whose user may log in meanwhile, as in another tab. */
  retryRefused?: boolean;
}

/** Close codes of the server, and when it uses them. */
export const CLOSED = {
  /** The last subscription ended. */
  NORMAL: 1000,
  /** The session has ended. Final. */
  SESSION_ENDED: 4401,
  /** There is no session: only a log-in helps. */
  REFUSED: 4403,
} as const;

// What graphql-ws does not retry, of the codes that the server sends: a broken protocol (4400, 4406, 4409), too many
// sockets or messages (4429), the end of the session (4401), and an error of the server (1011).
const FINAL = new Set<number>([1011, 4400, CLOSED.SESSION_ENDED, 4406, 4409, 4429]);
const MAX_WAIT_MS = 30_000;
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;

/** Whether a socket that was closed with this code does not come back: 1006, 1012 and 1013 do; 4403 only if asked. */
export function isFinal(code: number, retryRefused = false): boolean {
  if (code === CLOSED.REFUSED) return !retryRefused;
  // The other codes of the WebSocket protocol itself, such as 1002 and 1009, say that this client is wrong.
  const isOfProtocol = code >= 1000 && code < 2000 && ![1000, 1001, 1005, 1006, 1012, 1013, 1014].includes(code);
  return isOfProtocol || FINAL.has(code);
}

/** How long to wait before a try, in milliseconds: doubled each time, and spread, so that not all come back together. */
export function retryWaitMs(tries: number, random: () => number = Math.random): number {
  return Math.min(MAX_WAIT_MS, 500 * 2 ** tries) * (0.5 + random() / 2);
}

/**
 * A socket that connects with the first subscription, and comes back by itself.
 *
 * It tries for as long as there are subscriptions. Each then begins with its current state. A dead network closes no
 * socket, so the socket is given up when the server does not answer a ping.
 */
export function openSocket({ token, onState, retryRefused = false, on, ...options }: SocketOptions): Client {
  let pongDue: ReturnType<typeof setTimeout> | undefined;
  const client = createClient({
    retryAttempts: Infinity,
    retryWait: (tries) => new Promise((done) => setTimeout(done, retryWaitMs(tries))),
    keepAlive: PING_EVERY_MS,
    ...options,
    connectionParams: () => {
      const known = token?.();
      return known === undefined ? {} : { authorization: `Bearer ${known}` };
    },
    shouldRetry: (event) => !isFinal((event as CloseEvent).code ?? 1006, retryRefused),
    on: {
      ...on,
      connecting: (isRetry) => {
        on?.connecting?.(isRetry);
        if (!isRetry) onState?.("connecting");
      },
      connected: (...event) => {
        on?.connected?.(...event);
        onState?.("live");
      },
      ping: (isReceived, payload) => {
        on?.ping?.(isReceived, payload);
        if (!isReceived) pongDue = setTimeout(() => client.terminate(), PONG_WITHIN_MS);
      },
      pong: (isReceived, payload) => {
        on?.pong?.(isReceived, payload);
        if (isReceived) clearTimeout(pongDue);
      },
      closed: (event) => {
        clearTimeout(pongDue);
        on?.closed?.(event);
        const { code } = event as CloseEvent;
        if (code !== CLOSED.NORMAL) onState?.(stateAfter(code, retryRefused));
      },
    },
  });
  return client;
}

function stateAfter(code: number, retryRefused: boolean): SocketState {
  if (!isFinal(code, retryRefused)) return "reconnecting";
  return code === CLOSED.SESSION_ENDED || code === CLOSED.REFUSED ? "ended" : "lost";
}
