/** Apollo Client with uploads, a token, and its normalised cache. */
import { ApolloClient, ApolloLink, InMemoryCache } from "@apollo/client/core";
import { SetContextLink } from "@apollo/client/link/context";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import UploadHttpLink from "apollo-upload-client/UploadHttpLink.mjs";
import { OperationTypeNode } from "graphql";
import type { Client, Person } from "./client.js";
import { TripFields } from "./operations.js";
import { openSocket } from "./socket.js";
import { takeATrip } from "./trip.js";

await takeATrip(connect);

function connect(person: Person): Client {
  let authorization = "";
  const socket = openSocket(person, { connectionParams: () => ({ authorization }) });
  const http = ApolloLink.from([
    new SetContextLink(({ headers }) => ({ headers: authorization ? { ...headers, authorization } : headers })),
    new UploadHttpLink({ uri: `${person.server}/graphql`, headers: { "Apollo-Require-Preflight": "true" } }),
  ]);
  const cache = new InMemoryCache();
  const client = new ApolloClient({
    cache,
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      http,
    ),
  });

  return {
    async query(document, variables) {
      const { data } = await client.query({ query: document, variables });
      return data!;
    },

    async mutate(document, variables) {
      const { data } = await client.mutate({ mutation: document, variables });
      return data!;
    },

    subscribe(document, variables, sink) {
      client.subscribe({ query: document, variables }).subscribe({
        next: ({ data, error }) => (error ? sink.error(error) : sink.next(data!)),
        error: (error) => sink.error(error),
        complete: () => sink.complete(),
      });
    },

    useToken(token) {
      authorization = `Bearer ${token}`;
    },

    cachedStatus(id) {
      const from = cache.identify({ __typename: "Trip", id })!;
      return cache.readFragment({ id: from, fragment: TripFields })?.status;
    },
  };
}
