/** urql with its own uploads, a token or a cookie, and a socket. */
import { createClient, fetchExchange, subscriptionExchange, type Client, type Exchange } from "@urql/core";
import type { Client as Socket } from "graphql-ws";
import { authorization, type Session } from "./session.js";

/** `cache` is `cacheExchange` of `@urql/core`, or graphcache. */
export function createUrql(server: string, session: Session, socket: Socket, cache: Exchange): Client {
  return createClient({
    url: `${server}/graphql`,
    fetchOptions: () => ({
      credentials: "include",
      headers: { "GraphQL-Require-Preflight": "1", ...authorization(session) },
    }),
    exchanges: [
      cache,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query: query!, variables }, sink) }),
        }),
      }),
    ],
  });
}
