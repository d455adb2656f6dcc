/** One socket for all subscriptions of a person, over graphql-ws. */
import { createClient, type Client, type ClientOptions } from "graphql-ws";

import { CLOSED, isFinal } from "./closeCodes.js";
import type { SocketState } from "./connection.js";

export { CLOSED, isFinal };
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

const MAX_WAIT_MS = 30_000;
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;

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
