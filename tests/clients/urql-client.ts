/** What the two urql clients share. */
import type { Exchange, OperationResult } from "@urql/core";
import type { Client, Person } from "./client.js";
import type { Session } from "./setup/session.js";
import { openUrql } from "./setup/urql.js";
import { socketOptions } from "./socket.js";

export function connectUrql(person: Person, cache?: Exchange) {
  const session: Session = {};
  const client = openUrql(person.server, () => session.token, cache, socketOptions(person));
  const common: Client = {
    query: async (document, variables) => dataOf(await client.query(document, variables)),

    mutate: async (document, variables) => dataOf(await client.mutation(document, variables)),

    subscribe(document, variables, sink) {
      client.subscription(document, variables).subscribe(({ data, error, hasNext }) => {
        if (error) sink.error(error.networkError ?? error);
        else if (hasNext) sink.next(data!);
        // The last result says again what the one before it said.
        else sink.complete();
      });
    },

    useToken(token) {
      session.token = token;
    },
  };
  return { ...common, client };
}

export function dataOf<Data>({ data, error }: OperationResult<Data>): Data {
  if (error || !data) throw error;
  return data;
}
