/** urql with its own uploads, a token or a cookie, and a socket. */
import type { Client, Exchange } from "@urql/core";
import { openSocket, type SocketOptions } from "@taxirank/client/graphql-ws";
import { createUrql } from "@taxirank/client/urql";

/**
 * `token` is that of `logIn(issueToken: true)`; leave it out if the session is a cookie. `cache` is urql's document cache
 * by default.
 */
export function openUrql(
  server: string,
  token?: () => string | undefined,
  cache?: Exchange,
  socketOptions: Partial<SocketOptions> = {},
): Client {
  const url = `${server}/graphql`;
  const socket = openSocket({ url: url.replace("http", "ws"), token, ...socketOptions });
  return createUrql({ url, token, cache, socket });
}
