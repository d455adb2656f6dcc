/** urql with its document cache, its own uploads, and a token. Its queries go by GET. */
import { cacheExchange, createClient, fetchExchange, subscriptionExchange, type OperationResult } from "@urql/core";
import type { Client, Person } from "./client.js";
import { openSocket } from "./socket.js";
import { takeATrip } from "./trip.js";

await takeATrip(connect);

function connect(person: Person): Client {
  let authorization = "";
  const socket = openSocket(person, { connectionParams: () => ({ authorization }) });
  const client = createClient({
    url: `${person.server}/graphql`,
    fetchOptions: () => ({
      headers: { "GraphQL-Require-Preflight": "1", ...(authorization && { authorization }) },
    }),
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query: query!, variables }, sink) }),
        }),
      }),
    ],
  });

  return {
    query: async (document, variables) => dataOf(await client.query(document, variables)),

    mutate: async (document, variables) => dataOf(await client.mutation(document, variables)),

    subscribe(document, variables, sink) {
      client.subscription(document, variables).subscribe(({ data, error, hasNext }) => {
        if (error) sink.error(error.networkError ?? error);
        else if (hasNext) sink.next(data!);
        // The last result says again what the one before it said.
        else sink.complete();
      });
    },

    useToken(token) {
      authorization = `Bearer ${token}`;
    },
  };
}

function dataOf<Data>({ data, error }: OperationResult<Data>): Data {
  if (error || !data) throw error;
  return data;
}
