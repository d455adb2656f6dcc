/** Apollo Client 4 with a token or a cookie, a socket, and a normalised cache whose lists follow the events. */
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, Observable, type Reference, type TypePolicies } from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";

import type { Connection, Socket } from "./connection.js";
import { possibleTypes, TYPES_WITHOUT_ID } from "./generated/types.js";
import { problemsOf } from "./problems.js";
import { listAfter, type ChangedTrip } from "./state/lists.js";
import { isMutation } from "./typedDocument.js";

export { possibleTypes };

/** The policies of the cache, to be extended. */
export const typePolicies: TypePolicies = {
  // What has no id belongs to its trip or user, and is replaced as a whole: fields of another vehicle must not stay.
  ...Object.fromEntries(TYPES_WITHOUT_ID.map((name) => [name, { merge: false }])),
  Query: {
    fields: {
      // The pages of each filter are joined to one list.
      trips: relayStylePagination(["status"]),
      // A trip that a list has loaded needs no request.
      trip: {
        read: (known, { args, toReference }) =>
          known === undefined ? toReference({ __typename: "Trip", id: args!["id"] as string }) : known,
      },
    },
  },
  // An event replaces the one before it.
  Subscription: {
    fields: {
      myTripsUpdated: { merge: false },
      driverPool: { merge: false },
      city: { merge: false },
    },
  },
  // In the pool the user name is null; a name that is already known stays.
  User: { fields: { username: { merge: (known, told) => told ?? known } } },
};

/** A cache with everything that it must know of the schema. */
export function createCache(): InMemoryCache {
  return new InMemoryCache({ possibleTypes, typePolicies });
}

export interface ApolloOptions {
  /** The address of the API: `https://HOST/graphql`. */
  url: string;
  /** Without one there are no subscriptions. */
  socket?: Socket | undefined;
  /** The token of `logIn(issueToken: true)`, asked for at each request; leave it out if the session is a cookie. */
  token?: (() => string | undefined) | undefined;
  /** Whether cookies are sent and stored; by default also to another origin. */
  credentials?: RequestCredentials;
  cache?: InMemoryCache;
  /** Another last link for HTTP, such as `UploadHttpLink` for photos. It gets the token, and must send cookies itself. */
  http?: ApolloLink;
}

/** A client of one person. After a log-in or a log-out, create another one: this has the first one's data. */
export function createApollo({
  url,
  socket,
  token,
  credentials = "include",
  cache = createCache(),
  http = new HttpLink({ uri: url, credentials }),
}: ApolloOptions): ApolloClient {
  const withToken = new SetContextLink(({ headers }) => {
    const known = token?.();
    return { headers: { ...headers, ...(known === undefined ? {} : { authorization: `Bearer ${known}` }) } };
  });
  const overHttp = ApolloLink.from([withToken, http]);
  const byOperation = socket
    ? ApolloLink.split(({ operationType }) => operationType === "subscription", new GraphQLWsLink(socket as never), overHttp)
    : overHttp;
  return new ApolloClient({ link: ApolloLink.from([tripListsLink(), byOperation]), cache });
}

/** The connection of a client, for the hooks. */
export function overApollo(client: ApolloClient): Connection {
  return {
    async ask(document, variables) {
      try {
        const { data, error } = await (isMutation(document)
          ? client.mutate({ mutation: document, variables: variables as never })
          : client.query({ query: document, variables: variables as never, fetchPolicy: "network-only" }));
        return error || data == null ? { data: null, problems: problemsOf(error) } : { data: data as never, problems: [] };
      } catch (cause) {
        return { data: null, problems: problemsOf(cause) };
      }
    },

    follow(document, variables, next, failed) {
      const following = client
        // Apollo Client would join equal subscriptions: the second one would get no snapshot.
        .subscribe({ query: document, variables: variables as never, context: { queryDeduplication: false } })
        .subscribe(({ data, error }) => (error ? failed(problemsOf(error)) : next(data as never)));
      return () => following.unsubscribe();
    },
  };
}

/** Lets lists (`trips`) follow events of `myTripsUpdated` and answers of mutations. `createApollo` has it. */
export function tripListsLink(): ApolloLink {
  return new ApolloLink(
    (operation, forward) =>
      new Observable((observer) =>
        forward(operation).subscribe({
          next(result) {
            // Before the lists change the trip must be in the cache.
            observer.next(result);
            for (const value of Object.values(result.data ?? {})) changeLists(operation.client, value);
          },
          error: (cause) => observer.error(cause),
          complete: () => observer.complete(),
        }),
      ),
  );
}

interface List {
  readonly edges?: readonly { readonly node?: Reference }[];
  readonly nodes?: readonly Reference[];
}

function changeLists(client: ApolloClient, value: { __typename?: string; trip?: ChangedTrip | null } | null): void {
  switch (value?.__typename) {
    case "MyTripsSnapshot":
      // Of what happened while the connection was lost, it tells only a part.
      loadAgain(client, () => true);
      break;
    case "TripChanged":
    case "TripPayload":
      if (value.trip) placeInLists(client, value.trip);
  }
}

function placeInLists(client: ApolloClient, trip: ChangedTrip): void {
  const old = new Set<string>();
  client.cache.modify<{ trips: List }>({
    fields: {
      trips(list, { storeFieldName, readField, toReference }) {
        const reference = toReference({ __typename: "Trip", id: trip.id })!;
        const isIt = (node: Reference | undefined) => node?.__ref === reference.__ref;
        const { edges = [], nodes } = list as List;
        const isHere = (edge: (typeof edges)[number]) => isIt(readField("node", edge as never) as Reference | undefined);
        switch (listAfter(trip, statusOf(storeFieldName), edges.some(isHere) || (nodes?.some(isIt) ?? false))) {
          case "keep":
            return list;
          case "load again":
            old.add(storeFieldName);
            return list;
          case "add first":
            return {
              ...list,
              edges: [{ __typename: "TripEdge", cursor: "", node: reference }, ...edges],
              ...(nodes && { nodes: [reference, ...nodes] }),
            };
          case "remove":
            return {
              ...list,
              edges: edges.filter((edge) => !isHere(edge)),
              ...(nodes && { nodes: nodes.filter((node) => !isIt(node)) }),
            };
        }
      },
    },
  });
  if (old.size > 0) loadAgain(client, (name) => old.has(name));
}

/** Lists on a screen are loaded again, and stay there meanwhile; the others are forgotten. */
function loadAgain(client: ApolloClient, isOld: (storeFieldName: string) => boolean): void {
  const loaded = client.refetchQueries({
    updateCache(cache) {
      cache.modify({
        fields: { trips: (list, { storeFieldName, DELETE }) => (isOld(storeFieldName) ? DELETE : list) },
      });
    },
  });
  // The query that could not be loaded has the error.
  loaded.catch(() => undefined);
}

/** The filter of a list: its key is `trips:{"status":[…]}`. */
function statusOf(storeFieldName: string) {
  const args = JSON.parse(storeFieldName.slice(storeFieldName.indexOf(":") + 1)) as { status?: ChangedTrip["status"][] | null };
  return args.status as NonNullable<ChangedTrip["status"]>[] | null | undefined;
}
