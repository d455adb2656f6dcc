import type { SocketState } from "@taxirank/client";
import { graphcache } from "@taxirank/client/graphcache";
import { openSocket } from "@taxirank/client/graphql-ws";
import { createUrql } from "@taxirank/client/urql";
import type { Client } from "urql";

/** A client for the session of the browser's cookie, with the page's own server. */
export function openClient(onState: (state: SocketState) => void): Client {
  return createUrql({ url: "/graphql", socket: openSocket({ url: "/graphql", onState }), cache: graphcache() });
}
