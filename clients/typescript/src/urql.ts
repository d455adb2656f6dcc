/** urql with uploads, a token or a cookie, and a socket. */
import {
  cacheExchange,
  createClient,
  createRequest,
  fetchExchange,
  makeOperation,
  mapExchange,
  subscriptionExchange,
  type Client,
  type Exchange,
  type ExecutionResult,
} from "@urql/core";

import type { Connection, Socket } from "./connection.js";
import { problemsOf } from "./problems.js";
import { isMutation, rootFields } from "./typedDocument.js";

export interface UrqlOptions {
  /** The address of the API: `https://HOST/graphql`. */
  url: string;
  /** Without one there are no subscriptions. */
  socket?: Socket | undefined;
  /** The token of `logIn(issueToken: true)`, asked for at each request; leave it out if the session is a cookie. */
  token?: (() => string | undefined) | undefined;
  /** Whether cookies are sent and stored; by default also to another origin. */
  credentials?: RequestCredentials;
  /** By default the document cache; `graphcache()` of `@taxirank/client/graphcache`, or null for none. */
  cache?: Exchange | null | undefined;
  fetch?: typeof globalThis.fetch;
}

/** A client of one person. After a log-in or a log-out, create another one: this has the first one's data. */
export function createUrql({
  url,
  socket,
  token,
  credentials = "include",
  cache = cacheExchange,
  fetch,
}: UrqlOptions): Client {
  return createClient({
    url,
    // A URL with the variables would be in logs on the way.
    preferGetMethod: false,
    ...(fetch && { fetch }),
    fetchOptions: () => {
      const known = token?.();
      return {
        credentials,
        // urql sends files as a form: no other page can send one with this header.
        headers: { "GraphQL-Require-Preflight": "1", ...(known === undefined ? {} : { authorization: `Bearer ${known}` }) },
      };
    },
    exchanges: [...(cache ? [ABOUT_TRIPS, cache] : []), ...(socket ? [subscriptionsOver(socket)] : []), fetchExchange],
  });
}

const OF_TRIPS = new Set(["trip", "trips", "myTripsUpdated", "tripUpdated"]);

/** Tells the document cache which operations are about trips: it reads no events, and an empty list has no types. */
const ABOUT_TRIPS = mapExchange({
  onOperation(operation) {
    const { kind, query, context } = operation;
    if (kind === "mutation" || !rootFields(query).some((name) => OF_TRIPS.has(name))) return operation;
    const additionalTypenames = [...(context.additionalTypenames ?? []), "Trip"];
    return makeOperation(kind, operation, { ...context, additionalTypenames });
  },
});

/** urql's subscriptions over a socket of graphql-ws. */
export function subscriptionsOver(socket: Socket): Exchange {
  return subscriptionExchange({
    forwardSubscription: ({ query, variables }) => ({
      subscribe: (sink) => ({
        unsubscribe: socket.subscribe(
          { query: query!, variables: variables as Record<string, unknown> },
          {
            next: (result) => sink.next(result as ExecutionResult),
            error: (cause) => sink.error(cause),
            complete: () => sink.complete(),
          },
        ),
      }),
    }),
  });
}

let lastKey = 0;

/** The connection of a client, for the hooks. */
export function overUrql(client: Client): Connection {
  return {
    async ask(document, variables) {
      const { data, error } = await (isMutation(document)
        ? client.mutation(document, variables)
        : client.query(document, variables, { requestPolicy: "network-only" })
      ).toPromise();
      return error || !data ? { data: null, problems: problemsOf(error) } : { data, problems: [] };
    },

    follow(document, variables, next, failed) {
      // urql would join equal subscriptions: the second one would get no snapshot. Its own keys are not negative.
      const request = { ...createRequest(document, variables), key: --lastKey };
      return client.executeSubscription(request).subscribe(({ data, error, hasNext }) => {
        if (error) failed(problemsOf(error));
        // urql repeats the last result when a subscription ends.
        else if (hasNext && data) next(data);
      }).unsubscribe;
    },
  };
}
