/** Screens that follow graphcache, without React. */
import type { AnyVariables, Client, TypedDocumentNode } from "@urql/core";
import { ListTrips, type ListTripsQuery, type ListTripsQueryVariables } from "@taxirank/client";
import { graphcache } from "@taxirank/client/graphcache";
import { openUrql } from "./urql.js";

/** A client with this cache. */
export const openGraphcache = (server: string, token?: () => string | undefined) => openUrql(server, token, graphcache());

/** Shows a query's data, now and whenever the cache changes, until the returned function is called. */
export function watch<Data, Variables extends AnyVariables>(
  client: Client,
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  show: (data: Data) => void,
): () => void {
  return client.query(query, variables).subscribe(({ data, stale }) => {
    // While the cache loads the query again, it returns the old answer.
    if (data && !stale) show(data);
  }).unsubscribe;
}

/** A page of a list, together with all pages before it: `after` is the `endCursor` of the last one. */
export async function page(
  client: Client,
  list: ListTripsQueryVariables,
  after: string | null = null,
): Promise<ListTripsQuery["trips"]> {
  const { data, error } = await client.query(ListTrips, { ...list, after });
  if (!data) throw error;
  return data.trips;
}
