import type { ApolloClient } from "@apollo/client";
import type { SocketState } from "@taxirank/client";
import { createApollo } from "@taxirank/client/apollo";
import { openSocket } from "@taxirank/client/graphql-ws";

/** A client for the session of the browser's cookie, with the page's own server. */
export function openClient(onState: (state: SocketState) => void): ApolloClient {
  return createApollo({ url: "/graphql", socket: openSocket({ url: "/graphql", onState }) });
}
