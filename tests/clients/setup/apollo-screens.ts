/** Screens that follow the cache, without React. */
import type { ApolloClient, OperationVariables, TypedDocumentNode } from "@apollo/client";
import { ListTrips, type ListTripsQuery, type ListTripsQueryVariables } from "@taxirank/client";

/** Shows a query's data, now and whenever the cache changes, until the returned function is called. */
export function watch<Data, Variables extends OperationVariables>(
  client: ApolloClient,
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  show: (data: Data) => void,
): () => void {
  const watched = client.watchQuery<Data>({ query, variables }).subscribe(({ data, dataState }) => {
    if (dataState === "complete") show(data as Data);
  });
  return () => watched.unsubscribe();
}

/** Shows a list of trips: its first page, and with each page that `more` loads all of them. */
export function watchList(
  client: ApolloClient,
  list: ListTripsQueryVariables,
  show: (trips: ListTripsQuery["trips"]) => void,
): { more: () => Promise<unknown> } {
  const pages = client.watchQuery({ query: ListTrips, variables: list });
  let after: string | null = null;
  pages.subscribe(({ data, dataState }) => {
    if (dataState !== "complete") return;
    after = data.trips.pageInfo.endCursor;
    show(data.trips);
  });
  return { more: () => pages.fetchMore({ variables: { after } }) };
}
