import type { Problem } from "./problems.js";
import type { TypedDocumentNode } from "./typedDocument.js";

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
   * Subscribe until the returned function is called. The subscription survives a lost connection.
   *
   * `failed` is called at the end of a subscription that had an error, and not after one that was complete.
   */
  follow<Result, Variables extends Record<string, any>>(
    document: TypedDocumentNode<Result, Variables>,
    variables: Variables,
    next: (data: Result) => void,
    failed: (problems: Problem[]) => void,
  ): () => void;
}
