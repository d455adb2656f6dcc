/** Apollo Client without a socket: its own link subscribes over HTTP, in parts. */
import { ApolloLink, HttpLink, type ApolloClient } from "@apollo/client";
import { RetryLink } from "@apollo/client/link/retry";
import { createApollo } from "@taxirank/client/apollo";

/** `token` is that of `logIn(issueToken: true)`; leave it out if the session is a cookie. */
export function openApolloOverHttp(server: string, token?: () => string | undefined): ApolloClient {
  const url = `${server}/graphql`;
  const http = new HttpLink({ uri: url, credentials: "include" });
  // A response that was cut is an error of the link, and so is a failure of the server.
  const again = new RetryLink({ delay: { initial: 300, max: 10_000 }, attempts: { max: Infinity } });
  return createApollo({
    url,
    token,
    http: ApolloLink.split(({ operationType }) => operationType === "subscription", again.concat(http), http),
  });
}
