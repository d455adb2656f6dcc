/** One socket for all subscriptions of a client. */
import { createClient, type Client, type ClientOptions } from "graphql-ws";
import { authorization, type Session } from "./session.js";

/** Connects with the first subscription, and reconnects by itself; the subscriptions continue with a snapshot. */
export function openSocket(server: string, session: Session, options?: Partial<ClientOptions>): Client {
  return createClient({
    url: `${server.replace("http", "ws")}/graphql`,
    connectionParams: () => ({ ...authorization(session) }),
    // By default a client gives up for ever when it cannot reach the server, or after five attempts; and it
    // retries when it is refused (4403), although only a log-in can help.
    retryAttempts: Infinity,
    shouldRetry: (event) => (event as CloseEvent).code !== 4403,
    ...options,
  });
}
