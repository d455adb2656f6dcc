import type { Connection as Api, Problem } from "@taxirank/client";
import { openSocket, type SocketState as State } from "@taxirank/client/graphql-ws";
import { createUrql, overUrql } from "@taxirank/client/urql";
import type { Client as Socket } from "graphql-ws";

/** The state of the socket. `lost` is final: only the user connects again. */
export type SocketState = Exclude<State, "ended">;

const PATH = "/graphql";
const MAX_BACKOFF_MS = 4_000;

/** Exponential backoff with jitter: resolves when a server that failed `tries` times may be asked again. */
export function backoff(tries: number): Promise<void> {
  const longest = Math.min(MAX_BACKOFF_MS, 200 * 2 ** tries);
  return new Promise((done) => setTimeout(done, longest * (0.5 + Math.random() / 2)));
}

/** Who asks: the session of a token or of the browser's cookie, or nobody, who can only sign up and log in. */
export type Caller = { token: string } | "cookie" | "nobody";

/**
 * One person's connection to the server: mutations and queries over HTTP, subscriptions over one socket.
 *
 * Except for the caller `"cookie"`, requests neither send nor store cookies: each panel of the board is another person
 * with a token of its own. (The browser sends the cookie with the handshake of a socket; a token takes precedence.)
 * A lost socket reconnects by itself, and each subscription then begins with a new snapshot.
 */
export class Connection implements Api {
  readonly ask: Api["ask"];
  readonly follow: Api["follow"];
  state: SocketState = "connecting";
  readonly #socket: Socket | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #onSessionEnd: (() => void) | undefined;
  #isClosed = false;
  #isEnding = false;
  #hasEnded = false;

  /** `onSessionEnd` is called when the session has ended. */
  constructor(caller: Caller, onSessionEnd?: () => void) {
    const session = typeof caller === "object" ? { token: () => caller.token } : {};
    this.#onSessionEnd = onSessionEnd;
    this.#socket =
      caller === "nobody"
        ? undefined
        : openSocket({
            ...session,
            url: `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${PATH}`,
            retryWait: backoff,
            onState: (state) => this.#become(state),
          });
    const credentials = caller === "cookie" ? "same-origin" : "omit";
    const { ask, follow } = overUrql(createUrql({ ...session, url: PATH, socket: this.#socket, credentials, cache: null }));
    this.ask = ask;
    this.follow = follow;
  }

  /**
   * Run a request that ends the session if it succeeds, and return its problems. `onSessionEnd` is called only if the
   * request failed: after a success the caller knows that the session has ended.
   */
  async askToEnd(ask: () => Promise<Problem[]>): Promise<Problem[]> {
    this.#isEnding = true;
    const problems = await ask();
    this.#isEnding = problems.length === 0;
    if (this.#hasEnded && !this.#isEnding && !this.#isClosed) this.#onSessionEnd?.();
    return problems;
  }

  /** For `useSyncExternalStore`. */
  listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** For `useSyncExternalStore`. */
  readState = (): SocketState => this.state;

  /** Call `listener` each time the socket has reconnected, until the returned function is called. */
  onReturn(listener: () => void): () => void {
    let before = this.state;
    return this.listen(() => {
      if (this.state === "live" && before === "reconnecting") listener();
      before = this.state;
    });
  }

  /** Close the socket and drop all listeners. Requests over HTTP still work. */
  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    void this.#socket?.dispose();
  }

  #become(state: State): void {
    if (this.#isClosed) return;
    if (state === "ended") {
      this.#hasEnded = true;
      if (!this.#isEnding) this.#onSessionEnd?.();
      return;
    }
    this.state = state;
    for (const listener of this.#listeners) listener();
  }
}
