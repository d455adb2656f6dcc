/**
 * Apollo Client's own link, without a socket: subscriptions over HTTP, in parts.
 *
 * Run by the test as `node SCRIPT SERVER TOKEN TRIP`; prints a line of JSON for each step.
 */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client/core";
import { CombinedGraphQLErrors } from "@apollo/client/errors";
import { RetryLink } from "@apollo/client/link/retry";
import { OperationTypeNode } from "graphql";
import type { Values } from "./client.js";
import { Events } from "./events.js";
import { LogOut, WatchMyTrips, WatchTrip } from "./operations.js";

const [server, token, id] = process.argv.slice(2) as [string, string, string];

const http = new HttpLink({ uri: `${server}/graphql`, headers: { authorization: `Bearer ${token}` } });
const link = ApolloLink.split(
  ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
  // A response that was cut is an error of the link, and so is a failure of the server.
  ApolloLink.from([new RetryLink({ delay: { initial: 300, max: 10_000 }, attempts: { max: Infinity } }), http]),
  http,
);
const cache = new InMemoryCache();
const client = new ApolloClient({ link, cache });

const mine = follow("mine", WatchMyTrips, {});
await mine.event();
const trip = follow("trip", WatchTrip, { id });
await trip.event();
// The cache has the pushed trip.
report("cached", { trip: cache.extract()[`Trip:${id}`] });

report("watching");
await mine.event();
await trip.event();

// Now the test cuts all connections, changes the trip, and lets the client in again.
report("underWay");
await mine.event();
await trip.event();

report("again");
await mine.event();
await trip.event();
await trip.ended();

const missing = follow("missing", WatchTrip, { id: "00000000-0000-4000-8000-000000000000" });
await missing.ended();

await client.mutate({ mutation: LogOut });
await mine.ended();
// A client that tried to come back would keep the process alive.

function follow<Data, Variables extends Values>(
  step: string,
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Events<Data> {
  const events = new Events<Data>((details) => report(step, details));
  client.subscribe({ query, variables }).subscribe({
    next: ({ data, error }) => {
      if (CombinedGraphQLErrors.is(error)) events.error(error.errors[0]!.extensions!["code"]);
      else if (error) events.error(error);
      else events.next(data!);
    },
    error: (error) => events.error(error),
    complete: () => events.complete(),
  });
  return events;
}

function report(step: string, details: object = {}): void {
  process.stdout.write(`${JSON.stringify({ who: "rider", step, ...details })}\n`);
}
