/** A client without a GraphQL library: `fetch` with cookies, and graphql-ws. */
import { print, type FormattedExecutionResult } from "graphql";
import type { Client, Person } from "./client.js";
import { CookieJar } from "./cookies.js";
import { openSocket } from "./socket.js";
import { takeATrip } from "./trip.js";

await takeATrip(connect);

function connect(person: Person): Client {
  const cookies = new CookieJar();
  const socket = openSocket(person, { webSocketImpl: cookies.WebSocket });

  const post: Client["mutate"] = async (document, variables) => {
    const response = await cookies.fetch(`${person.server}/graphql`, {
      method: "POST",
      ...encode(print(document), variables),
    });
    return dataOf(await response.json());
  };

  return {
    query: post,
    mutate: post,

    subscribe(document, variables, sink) {
      socket.subscribe<any>({ query: print(document), variables }, {
        next: (result) => sink.next(dataOf(result)),
        error: (error) => sink.error(error),
        complete: () => sink.complete(),
      });
    },
  };
}

/** JSON; or with a photo, a form (https://github.com/jaydenseric/graphql-multipart-request-spec). */
function encode(query: string, variables: { input?: { photo?: File } }): RequestInit {
  const operations = JSON.stringify({ query, variables }, (_, value) => (value instanceof File ? null : value));
  const photo = variables.input?.photo;
  if (photo === undefined) return { headers: { "Content-Type": "application/json" }, body: operations };
  const form = new FormData();
  form.append("operations", operations);
  form.append("map", JSON.stringify({ 0: ["variables.input.photo"] }));
  form.append("0", photo);
  return { headers: { "GraphQL-Require-Preflight": "1" }, body: form };
}

function dataOf<Data>({ data, errors }: Pick<FormattedExecutionResult<Data>, "data" | "errors">): Data {
  if (errors || !data) throw new Error(JSON.stringify(errors));
  return data;
}
