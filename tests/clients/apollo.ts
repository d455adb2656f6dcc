/** Apollo Client: a token, and the normalised cache. */
import type { Client, Person } from "./client.js";
import { MyTrips } from "./operations.js";
import { createApollo } from "./setup/apollo.js";
import type { Session } from "./setup/session.js";
import { openSocket } from "./socket.js";
import { takeATrip } from "./trip.js";

await takeATrip(connect);

function connect(person: Person): Client {
  const session: Session = {};
  const client = createApollo(person.server, session, openSocket(person, session));

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

    watch(document, variables, show) {
      client.watchQuery({ query: document, variables }).subscribe(({ data, dataState }) => {
        if (dataState === "complete") show(data as any);
      });
    },

    async readPages(variables) {
      const list = client.watchQuery({ query: MyTrips, variables });
      await client.query({ query: MyTrips, variables });
      const shown = () => client.readQuery({ query: MyTrips, variables })!;
      const one = shown();
      await list.fetchMore({ variables: { after: one.trips.pageInfo.endCursor } });
      const both = shown();
      return [one, both].map(({ trips }) => trips.edges.map(({ node }) => node.id));
    },
  };
}
