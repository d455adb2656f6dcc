/** urql with its normalised cache. */
import { graphcache } from "@taxirank/client/graphcache";
import { page, watch } from "./setup/graphcache.js";
import { takeATrip } from "./trip.js";
import { connectUrql } from "./urql-client.js";

await takeATrip((person) => {
  const { client, ...common } = connectUrql(person, graphcache());
  return {
    ...common,
    listsFollowEvents: true,

    isKnown: (document, variables) => client.readQuery(document, variables) !== null,

    watch: (document, variables, show) => void watch(client, document, variables, show),

    async readPages(list) {
      const one = await page(client, list);
      const both = await page(client, list, one.pageInfo.endCursor);
      return [one, both].map(({ edges }) => edges.map(({ node }) => node.id));
    },
  };
});
