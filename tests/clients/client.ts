/** What the trip asks of a client library, on behalf of one person. */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import type { MyTripsQueryVariables } from "./generated/graphql.js";

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

  /** Whether a trip that is pushed comes into lists that are shown. */
  readonly listsFollowEvents?: boolean;

  /** Asks the server for a trip by the Node interface; what is known of it then. */
  readAgain?(id: string): Promise<object>;

  /** The ids in a list of the person's trips that reads on: after its first page, and after the next. */
  readPages?(list: MyTripsQueryVariables): Promise<string[][]>;
}
