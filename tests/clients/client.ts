/** The operations that the trip needs from a client library, for one person. */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import type { MyTripsQueryVariables } from "./generated/graphql.js";

export type Values = Record<string, any>;

/** A person and their server. */
export interface Person {
  /** The address of the server: `http://HOST:PORT`. */
  readonly server: string;
  /** Reports an event to the test. */
  report(step: string, details?: object): void;
}

/** Receives the events of a subscription. */
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

  /** Stores the session's token. Clients without this method use a cookie. */
  useToken?(token: string): void;

  /** Shows a query's data on a screen, now and whenever the cache changes. For libraries that cache by id. */
  watch?<Data, Variables extends Values>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    show: (data: Data) => void,
  ): void;

  /** Whether the cache can answer a query by itself. */
  isKnown?<Data, Variables extends Values>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): boolean;

  /** Whether a pushed new trip appears in displayed lists. */
  readonly listsFollowEvents?: boolean;

  /** Loads a trip by the Node interface; returns the cached trip afterwards. */
  readAgain?(id: string): Promise<object>;

  /** The ids in a paginated list of the person's trips: after its first page, and after the next. */
  readPages?(list: MyTripsQueryVariables): Promise<string[][]>;
}
