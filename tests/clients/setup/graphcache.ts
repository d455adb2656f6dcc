/** urql's normalised cache: a pushed trip changes the screen. */
import { cacheExchange, type Cache, type KeyingConfig } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
// Written by graphql-codegen: graphcache must know the types of a union.
import schema from "../generated/introspection.json" with { type: "json" };

/** A value without an id belongs to its trip, user or list. */
const keys: KeyingConfig = {
  CancelCount: () => null,
  CityChange: () => null,
  CityCounts: () => null,
  CityFigure: () => null,
  CityFigures: () => null,
  CityTripRoute: () => null,
  CitySnapshot: () => null,
  GeoPoint: () => null,
  Rating: () => null,
  Route: () => null,
  TimeToAccept: () => null,
  TripEstimate: () => null,
  Vehicle: () => null,
  HistoryEntry: () => null,
  PageInfo: () => null,
  TripConnection: () => null,
  TripEdge: () => null,
  UserError: () => null,
  AuthPayload: () => null,
  LogOutPayload: () => null,
  UserPayload: () => null,
  DeleteMePayload: () => null,
  RequestEmailVerificationPayload: () => null,
  RequestPasswordResetPayload: () => null,
  VerifyEmailPayload: () => null,
  RegisterPushSubscriptionPayload: () => null,
  RemovePushSubscriptionPayload: () => null,
  LocationPayload: () => null,
  TripPayload: () => null,
  MyTripsSnapshot: () => null,
  TripChanged: () => null,
  PoolSnapshot: () => null,
  TripOffered: () => null,
  TripWithdrawn: () => null,
};

/** A changed trip needs no code. A new or removed trip changes the lists: they are loaded again. */
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
      // The pages of each filter are joined to one list.
      trips: relayPagination(),
      // A trip that a list has loaded needs no request.
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
