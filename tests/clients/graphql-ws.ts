/** A client without a GraphQL library: `fetch` with cookies, and graphql-ws. */
import { print, type FormattedExecutionResult } from "graphql";
import type { Client, Person } from "./client.js";
import { CookieJar } from "./cookies.js";
import { withoutPhoto } from "./photos.js";
import { follow } from "./setup/follow.js";
import { post } from "./setup/post.js";
import { openSocket } from "./socket.js";
import { takeATrip } from "./trip.js";

await takeATrip(connect);

function connect(person: Person): Client {
  const cookies = new CookieJar();
  const socket = openSocket(person, {}, { webSocketImpl: cookies.WebSocket });

  const send: Client["mutate"] = async (document, variables) => {
    const { files, ...rest } = withoutPhoto(variables);
    return dataOf(await post(person.server, {}, { query: print(document), ...rest }, files, cookies.fetch));
  };

  return {
    query: send,
    mutate: send,

    subscribe(document, variables, sink) {
      follow(socket, document, variables, {
        next: (result) => sink.next(dataOf(result)),
        error: (cause) => sink.error(cause),
        complete: () => sink.complete(),
      });
    },
  };
}

function dataOf<Data>({ data, errors }: Pick<FormattedExecutionResult<Data>, "data" | "errors">): Data {
  if (errors || !data) throw new Error(JSON.stringify(errors));
  return data;
}
