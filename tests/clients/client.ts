/** What the trip asks of a client library, on behalf of one person. */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import type { TripStatus } from "./generated/graphql.js";

export type Values = Record<string, any>;

/** A person at the server. */
export interface Person {
  /** The address of the server: `http://HOST:PORT`. */
  readonly server: string;
  /** Tells the test what happened. */
  report(step: string, details?: object): void;
}

/** Takes what a subscription brings. */
export interface Sink<Data> {
  next(data: Data): void;
  error(error: unknown): void;
  complete(): void;
}

export interface Client {
  /** Sends a query over HTTP. */
  query<Data, Variables extends Values>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data>;

  /** Sends a mutation over HTTP. */
  mutate<Data, Variables extends Values>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data>;

  /** Starts a subscription over the person's socket. */
  subscribe<Data, Variables extends Values>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    sink: Sink<Data>,
  ): void;

  /** Takes the session's token. Clients without this carry a cookie instead. */
  useToken?(token: string): void;

  /** What the library's cache knows of a trip, if it keeps one. */
  cachedStatus?(tripId: string): TripStatus | undefined;
}
