/** Apollo Client with uploads, a token or a cookie, a socket, and its normalised cache. */
import { ApolloClient, ApolloLink, InMemoryCache } from "@apollo/client/core";
import { SetContextLink } from "@apollo/client/link/context";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import UploadHttpLink from "apollo-upload-client/UploadHttpLink.mjs";
import { OperationTypeNode } from "graphql";
import type { Client as Socket } from "graphql-ws";
import { authorization, type Session } from "./session.js";

export function createApollo(server: string, session: Session, socket: Socket): ApolloClient {
  const http = ApolloLink.from([
    new SetContextLink(({ headers }) => ({ headers: { ...headers, ...authorization(session) } })),
    new UploadHttpLink({
      uri: `${server}/graphql`,
      credentials: "include",
      headers: { "Apollo-Require-Preflight": "true" },
    }),
  ]);
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      http,
    ),
    cache: new InMemoryCache({
      possibleTypes: { Node: ["Trip", "User"] },
      typePolicies: {
        Query: {
          fields: {
            // The pages of each filter are joined to one list.
            trips: relayStylePagination(["status"]),
            // A trip that a list has loaded needs no request.
            trip: {
              read: (known, { args, toReference }) =>
                known === undefined ? toReference({ __typename: "Trip", id: args!.id }) : known,
            },
          },
        },
        // In the pool the user name is null; a name that is already known stays.
        User: { fields: { username: { merge: (known, told) => told ?? known } } },
      },
    }),
  });
}
