/** Apollo Client: a token, and the normalised cache. */
import type { Client, Person } from "./client.js";
import { watch, watchList } from "./setup/apollo-screens.js";
import { openApollo } from "./setup/apollo.js";
import type { Session } from "./setup/session.js";
import { socketOptions } from "./socket.js";
import { takeATrip } from "./trip.js";

await takeATrip(connect);

function connect(person: Person): Client {
  const session: Session = {};
  const client = openApollo(person.server, () => session.token, socketOptions(person));

  return {
    async query(document, variables) {
      const { data } = await client.query({ query: document, variables });
      return data!;
    },

    async mutate(document, variables) {
      const { data } = await client.mutate({ mutation: document, variables });
      return data!;
    },

    subscribe(document, variables, sink) {
      client.subscribe({ query: document, variables }).subscribe({
        next: ({ data, error }) => (error ? sink.error(error) : sink.next(data!)),
        error: (error) => sink.error(error),
        complete: () => sink.complete(),
      });
    },

    useToken(token) {
      session.token = token;
    },

    isKnown: (document, variables) => client.readQuery({ query: document, variables }) !== null,

    listsFollowEvents: true,

    watch: (document, variables, show) => void watch(client, document, variables, show),

    async readPages(variables) {
      const pages: string[][] = [];
      let isShown = (_: void) => {};
      const shown = () => new Promise<void>((resolve) => (isShown = resolve));
      const first = shown();
      const list = watchList(client, variables, ({ edges }) => {
        const page = edges.map(({ node }) => node.id);
        if (page.length === pages.at(-1)?.length) return;
        pages.push(page);
        isShown();
      });
      await first;
      const second = shown();
      await list.more();
      await second;
      return pages;
    },
  };
}
