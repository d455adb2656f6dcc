import type { Problem } from "./problems.js";
import type { TypedDocumentNode } from "./typedDocument.js";

/**
 * What a user should know of the socket.
 *
 * - `connecting`: not connected yet. `live`: events arrive.
 * - `reconnecting`: what is shown may be old; the socket comes back by itself, and each subscription begins with its state.
 * - `ended`: the session is over, or there is none: log in, and open a new socket.
 * - `lost`: the server refuses for good (see `isFinal`): coming back by itself would fail in the same way.
 */
export type SocketState = "connecting" | "live" | "reconnecting" | "ended" | "lost";

/** A socket of graphql-ws, such as `openSocket` opens, without that package's types: it may not be installed. */
export interface Socket {
  subscribe(
    payload: { query: string; variables?: Record<string, unknown> | null },
    sink: { next(result: any): void; error(cause: unknown): void; complete(): void },
  ): () => void;
}

/** What an operation gave: its data, or the problems that prevented it. */
export interface Answer<Result> {
  readonly data: Result | null;
  readonly problems: Problem[];
}

/** One person's way to the server, whatever library it goes by: `overApollo` and `overUrql` make one. */
export interface Connection {
  /** Send a query or a mutation. Never rejects: on failure `data` is null and `problems` says why. */
  ask<Result, Variables extends Record<string, any>>(
    document: TypedDocumentNode<Result, Variables>,
    variables: Variables,
  ): Promise<Answer<Result>>;

  /**
   * Subscribe until the returned function is called. The subscription survives a lost connection, and is one of its own
   * beside an equal one: both begin with the state.
   *
   * `failed` is called at the end of a subscription that had an error, perhaps twice, and not after one that was complete.
   */
  follow<Result, Variables extends Record<string, any>>(
    document: TypedDocumentNode<Result, Variables>,
    variables: Variables,
    next: (data: Result) => void,
    failed: (problems: Problem[]) => void,
  ): () => void;
}
