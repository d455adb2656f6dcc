import {
  Client,
  fetchExchange,
  subscriptionExchange,
  type AnyVariables,
  type ExecutionResult,
  type TypedDocumentNode,
} from "@urql/core";
import { createClient as createSocket, type Client as Socket } from "graphql-ws";

import { problemsOf, type Problem } from "./problems";

/** The state of the socket. `lost` is final: only the user connects again. */
export type SocketState = "connecting" | "live" | "reconnecting" | "lost";

const PATH = "/graphql";
/** Close codes of the server: the session has ended, or the token was never valid. */
const SESSION_ENDED = [4401, 4403];
/** The close code of graphql-ws when the last subscription ends. */
const NO_LONGER_NEEDED = 1000;
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
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
export class Connection {
  state: SocketState = "connecting";
  readonly #client: Client;
  readonly #socket: Socket | null;
  readonly #listeners = new Set<() => void>();
  readonly #onSessionEnd: (() => void) | undefined;
  #isClosed = false;
  #isEnding = false;
  #hasEnded = false;

  /** `onSessionEnd` is called when the session has ended. */
  constructor(caller: Caller, onSessionEnd?: () => void) {
    const authorization = typeof caller === "object" ? { authorization: `Bearer ${caller.token}` } : {};
    this.#onSessionEnd = onSessionEnd;
    const socket = caller === "nobody" ? null : this.#open(authorization);
    this.#socket = socket;
    this.#client = new Client({
      url: PATH,
      preferGetMethod: false,
      fetchOptions: {
        credentials: caller === "cookie" ? "same-origin" : "omit",
        headers: { "GraphQL-Require-Preflight": "1", ...authorization },
      },
      exchanges: [
        ...(socket === null
          ? []
          : [
              subscriptionExchange({
                forwardSubscription: ({ query, variables }) => ({
                  subscribe: (sink) => ({
                    unsubscribe: socket.subscribe(
                      { query: query!, variables },
                      {
                        next: (result) => sink.next(result as ExecutionResult),
                        error: (cause) => sink.error(cause),
                        complete: () => sink.complete(),
                      },
                    ),
                  }),
                }),
              }),
            ]),
        fetchExchange,
      ],
    });
  }

  /** Send an operation over HTTP. Never rejects: on failure `data` is null and `problems` says why. */
  async ask<Data, Variables extends AnyVariables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<{ data: Data | null; problems: Problem[] }> {
    const isMutation = document.definitions.some((node) => "operation" in node && node.operation === "mutation");
    const result = await (isMutation
      ? this.#client.mutation(document, variables)
      : this.#client.query(document, variables, { requestPolicy: "network-only" })
    ).toPromise();
    if (result.error || !result.data) return { data: null, problems: problemsOf(result.error) };
    return { data: result.data, problems: [] };
  }

  /** Subscribe until the returned function is called. The subscription survives a lost connection. */
  follow<Data, Variables extends AnyVariables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    next: (data: Data) => void,
    failed: (problems: Problem[]) => void,
  ): () => void {
    return this.#client.subscription(document, variables).subscribe(({ data, error, hasNext }) => {
      if (error) failed(problemsOf(error));
      // urql repeats the last result when a subscription ends.
      else if (hasNext && data) next(data);
    }).unsubscribe;
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

  #become(state: SocketState): void {
    this.state = state;
    for (const listener of this.#listeners) listener();
  }

  #end(): void {
    this.#hasEnded = true;
    if (!this.#isEnding) this.#onSessionEnd?.();
  }

  #open(authorization: Record<string, string>): Socket {
    let pongDue: ReturnType<typeof setTimeout> | undefined;
    const socket = createSocket({
      url: `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${PATH}`,
      connectionParams: authorization,
      retryAttempts: Infinity,
      shouldRetry: (event) => !SESSION_ENDED.includes((event as CloseEvent).code),
      retryWait: backoff,
      // A dead network closes no socket: only a missing pong shows it.
      keepAlive: PING_EVERY_MS,
      on: {
        connected: () => this.#become("live"),
        ping: (received) => {
          if (!received) pongDue = setTimeout(() => socket.terminate(), PONG_WITHIN_MS);
        },
        pong: () => clearTimeout(pongDue),
        closed: (event) => {
          clearTimeout(pongDue);
          if (this.#isClosed) return;
          const { code } = event as CloseEvent;
          if (SESSION_ENDED.includes(code)) this.#end();
          else if (code !== NO_LONGER_NEEDED) this.#become(FINAL.has(code) ? "lost" : "reconnecting");
        },
      },
    });
    return socket;
  }
}

/** Close codes after which graphql-ws does not reconnect (its `isFatalInternalCloseCode`, those that the server uses). */
const FINAL = new Set([1002, 1011, 4400, 4406, 4409, 4429]);
