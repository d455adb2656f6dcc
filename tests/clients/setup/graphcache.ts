/** urql's normalised cache: what is pushed changes what is on screen. */
import { cacheExchange, type Cache, type KeyingConfig } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
// Written by graphql-codegen: graphcache has to know which types a union has.
import schema from "../generated/introspection.json" with { type: "json" };

/** What has no id belongs to the trip, the user or the list that has it. */
const keys: KeyingConfig = {
  GeoPoint: () => null,
  HistoryEntry: () => null,
  PageInfo: () => null,
  TripConnection: () => null,
  TripEdge: () => null,
  UserError: () => null,
  AuthPayload: () => null,
  LogOutPayload: () => null,
  UserPayload: () => null,
  DeleteMePayload: () => null,
  LocationPayload: () => null,
  TripPayload: () => null,
  MyTripsSnapshot: () => null,
  TripChanged: () => null,
  PoolSnapshot: () => null,
  TripOffered: () => null,
  TripWithdrawn: () => null,
};

/** A changed trip needs no code. That there is one more, or one less, is the list's affair: it is asked for again. */
function askAgain(cache: Cache): void {
  for (const { fieldName, fieldKey } of cache.inspectFields("Query")) {
    if (fieldName === "trips") cache.invalidate("Query", fieldKey);
  }
}

export const graphcache = cacheExchange({
  schema,
  keys,
  resolvers: {
    Query: {
      // Pages are joined to one list for each filter.
      trips: relayPagination(),
      // A trip that a list has brought needs no request.
      trip: (_parent, { id }) => ({ __typename: "Trip", id: id as string }),
    },
  },
  updates: {
    Subscription: {
      myTripsUpdated({ myTripsUpdated: event }: any, _args, cache) {
        if (event.__typename === "MyTripsSnapshot" || event.trip.version === 1) askAgain(cache);
      },
    },
  },
});
