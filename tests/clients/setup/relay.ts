/** Relay's environment: its network over `fetch` and a socket, and its store. */
import type { Client as Socket } from "graphql-ws";
import { Environment, Network, Observable, RecordSource, Store, type GraphQLResponse } from "relay-runtime";
import { post } from "./post.js";
import type { Session } from "./session.js";

export function createRelay(server: string, session: Session, socket: Socket): Environment {
  return new Environment({
    network: Network.create(
      ({ text }, variables, _cacheConfig, files) =>
        post(server, session, { query: text!, variables }, files ?? {}) as Promise<GraphQLResponse>,
      ({ text }, variables) =>
        Observable.create<GraphQLResponse>((sink) =>
          socket.subscribe({ query: text!, variables }, sink as Parameters<Socket["subscribe"]>[1]),
        ),
    ),
    store: new Store(new RecordSource()),
    missingFieldHandlers: [
      {
        kind: "linked",
        // A trip that a list has loaded needs no request.
        handle: (field, record, args) =>
          record?.getType() === "__Root" && ["trip", "node"].includes(field.name) ? args.id : undefined,
      },
    ],
  });
}
