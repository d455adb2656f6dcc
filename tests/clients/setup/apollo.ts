/** Apollo Client with uploads, a token or a cookie, a socket, and its normalised cache. */
import type { ApolloClient } from "@apollo/client";
import { createApollo } from "@taxirank/client/apollo";
import { openSocket, type SocketOptions } from "@taxirank/client/graphql-ws";
import UploadHttpLink from "apollo-upload-client/UploadHttpLink.mjs";

/** `token` is that of `logIn(issueToken: true)`; leave it out if the session is a cookie. */
export function openApollo(
  server: string,
  token?: () => string | undefined,
  socketOptions: Partial<SocketOptions> = {},
): ApolloClient {
  const url = `${server}/graphql`;
  return createApollo({
    url,
    token,
    socket: openSocket({ url: url.replace("http", "ws"), token, ...socketOptions }),
    // For photos: Apollo's own HttpLink sends none.
    http: new UploadHttpLink({ uri: url, credentials: "include", headers: { "Apollo-Require-Preflight": "true" } }),
  });
}
