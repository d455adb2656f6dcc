/** urql's normalised cache: a pushed trip changes every screen, and new trips appear in lists. */
import type { Exchange } from "@urql/core";
import {
  cacheExchange,
  type Cache,
  type CacheExchangeOpts,
  type Entity,
  type UpdateResolver,
} from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";

import type { TripStatus } from "./generated/operations.js";
import { introspection } from "./generated/introspection.js";
import { TYPES_WITHOUT_ID } from "./generated/types.js";
import { listAfter, type ChangedTrip } from "./state/lists.js";

/** A new trip, or one that left a list, changes lists: they are loaded again. Other changes need no code. */
const payload: UpdateResolver = (result, _args, cache) => {
  for (const value of Object.values(result)) {
    const { trip } = (value ?? {}) as { trip?: ChangedTrip | null };
    if (trip) changeLists(cache, (status, fieldKey) => listAfter(trip, status, isListed(cache, fieldKey, trip)) !== "keep");
  }
};

const event: UpdateResolver = (result, args, cache, info) => {
  const isSnapshot = Object.values(result).some((value) => (value as { __typename?: string }).__typename === "MyTripsSnapshot");
  // Of what happened while the connection was lost, it tells only a part.
  if (isSnapshot) changeLists(cache, () => true);
  else payload(result, args, cache, info);
};

/** The options of graphcache, to be extended. */
export const graphcacheOptions = {
  // With `possibleTypes` alone, graphcache 9.0 warns of each union that it writes.
  schema: introspection as unknown as NonNullable<CacheExchangeOpts["schema"]>,
  // A value without an id belongs to its trip, user or list.
  keys: Object.fromEntries(TYPES_WITHOUT_ID.map((name) => [name, () => null])),
  resolvers: {
    Query: {
      // The pages of each filter are joined to one list.
      trips: relayPagination(),
      // A trip that a list has loaded needs no request.
      trip: (_parent, { id }) => ({ __typename: "Trip", id: id as string }),
    },
  },
  updates: {
    Mutation: { createTrip: payload, updateTrip: payload, reportArrival: payload },
    Subscription: { myTripsUpdated: event },
  },
} satisfies CacheExchangeOpts;

/** The exchange: give it to `createUrql` as its cache. */
export function graphcache(options: CacheExchangeOpts = {}): Exchange {
  return cacheExchange({ ...graphcacheOptions, ...options });
}

function changeLists(cache: Cache, isOld: (status: TripStatus[] | null | undefined, fieldKey: string) => boolean): void {
  for (const { fieldName, fieldKey, arguments: args } of cache.inspectFields("Query")) {
    if (fieldName !== "trips" || args?.["after"]) continue;
    if (isOld(args?.["status"] as TripStatus[] | null | undefined, fieldKey)) cache.invalidate("Query", fieldKey);
  }
}

function isListed(cache: Cache, fieldKey: string, { id }: ChangedTrip): boolean {
  const list = cache.resolve("Query", fieldKey) as Entity;
  const edges = cache.resolve(list, "edges") as Entity[] | undefined;
  const nodes = (cache.resolve(list, "nodes") as Entity[] | undefined) ?? edges?.map((edge) => cache.resolve(edge, "node"));
  return nodes?.includes(`Trip:${id}`) ?? false;
}
