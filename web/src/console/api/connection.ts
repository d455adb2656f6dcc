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

/** How the socket stands: `lost` is final until somebody connects again. */
export type SocketState = "connecting" | "live" | "reconnecting" | "lost";

const PATH = "/graphql";
/** What the server closes a socket with when its session has ended, and when it never was one. */
const SESSION_ENDED = [4401, 4403];
/** What the client itself closes it with, when nothing is followed any more. */
const NO_LONGER_NEEDED = 1000;
const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
const LONGEST_WAIT_MS = 4_000;

/** Wait before asking a server again that could not be reached so many times: longer and longer, and not all at once. */
export function patience(tries: number): Promise<void> {
  const longest = Math.min(LONGEST_WAIT_MS, 200 * 2 ** tries);
  return new Promise((done) => setTimeout(done, longest * (0.5 + Math.random() / 2)));
}

/**
 * One person's way to the server: mutations and queries over HTTP, subscriptions over one socket.
 *
 * No request carries the browser's cookie or takes one (`credentials: "omit"`): each panel of the page is somebody else,
 * and says so by its token. A lost socket comes back by itself, and each subscription then begins with a new snapshot.
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

  /** Without a token: a stranger, who can sign up and log in. `onSessionEnd` is called when the token is no longer good. */
  constructor(token?: string, onSessionEnd?: () => void) {
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#onSessionEnd = onSessionEnd;
    const socket = token === undefined ? null : this.#open(authorization);
    this.#socket = socket;
    this.#client = new Client({
      url: PATH,
      preferGetMethod: false,
      fetchOptions: {
        credentials: "omit",
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

  /** Ask by HTTP. Never rejects: what failed is told as problems, and then there are no data. */
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

  /** Follow a subscription until the returned function is called. A lost connection is no end of it. */
  follow<Data, Variables extends AnyVariables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    next: (data: Data) => void,
    failed: (problems: Problem[]) => void,
  ): () => void {
    return this.#client.subscription(document, variables).subscribe(({ data, error, hasNext }) => {
      if (error) failed(problemsOf(error));
      // The last result says again what the one before it said.
      else if (hasNext && data) next(data);
    }).unsubscribe;
  }

  /**
   * Ask for what ends the session if it succeeds, and return what went wrong. That the session has ended is told by
   * `onSessionEnd` only if something did: else whoever asked knows.
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

  /** Be called whenever a socket that was lost is there again, until the returned function is called. */
  onReturn(listener: () => void): () => void {
    let before = this.state;
    return this.listen(() => {
      if (this.state === "live" && before === "reconnecting") listener();
      before = this.state;
    });
  }

  /** Close the socket. Nothing is told of it any more, but what is asked by HTTP is still answered. */
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
      retryWait: patience,
      // A network that is gone closes nothing: only an answer that does not come shows it.
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

/** Close codes on which graphql-ws does not come back (its `isFatalInternalCloseCode`, of those that the server uses). */
const FINAL = new Set([1002, 1011, 4400, 4406, 4409, 4429]);
