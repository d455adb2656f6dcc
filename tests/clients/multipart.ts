/**
 * Apollo Client's own link, without a socket: subscriptions over HTTP, in parts.
 *
 * Run by the test as `node SCRIPT SERVER TOKEN TRIP`; prints a line of JSON for each step.
 */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { CombinedGraphQLErrors } from "@apollo/client/errors";
import type { Values } from "./client.js";
import { Events } from "./events.js";
import { LogOut, WatchMyTrips, WatchTrip } from "./operations.js";
import { openApolloOverHttp } from "./setup/apollo-multipart.js";

const [server, token, id] = process.argv.slice(2) as [string, string, string];

const client = openApolloOverHttp(server, () => token);

const mine = follow("mine", WatchMyTrips, {});
await mine.event();
const trip = follow("trip", WatchTrip, { id });
await trip.event();
// The cache has the pushed trip.
report("cached", { trip: (client.cache.extract() as Record<string, unknown>)[`Trip:${id}`] });

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
