/** urql with its normalised cache. */
import { MyTrips } from "./operations.js";
import { graphcache } from "./setup/graphcache.js";
import { takeATrip } from "./trip.js";
import { connectUrql, dataOf } from "./urql-client.js";

await takeATrip((person) => {
  const { client, ...common } = connectUrql(person, graphcache);
  return {
    ...common,
    listsFollowEvents: true,

    isKnown: (document, variables) => client.readQuery(document, variables) !== null,

    watch(document, variables, show) {
      client.query(document, variables).subscribe((result) => {
        // While the cache loads the query again, it returns the old answer.
        if (!result.stale) show(dataOf(result));
      });
    },

    async readPages(list) {
      const page = async (after?: string) => dataOf(await client.query(MyTrips, { ...list, after })).trips;
      const one = await page();
      const both = await page(one.pageInfo.endCursor!);
      return [one, both].map(({ edges }) => edges.map(({ node }) => node.id));
    },
  };
});
