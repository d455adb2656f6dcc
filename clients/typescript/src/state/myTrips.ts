/** One's own trips, made from the events of `myTripsUpdated` and from the answers of mutations. */
import type { Versioned } from "./versioned.js";

export interface MyTrip extends Versioned {
  /** When it was requested: an ISO 8601 time of the server. */
  readonly created: string;
}

export type MyTripsEvent<Trip extends MyTrip> =
  | { __typename: "MyTripsSnapshot"; trips: readonly Trip[] }
  | { __typename: "TripChanged"; trip: Trip };

export interface MyTrips<Trip> {
  /** False before the first snapshot: then there may be more trips. */
  readonly isKnown: boolean;
  /** The newest first. */
  readonly trips: readonly Trip[];
}

export const NO_TRIPS: MyTrips<never> = { isKnown: false, trips: [] };

/**
 * One's trips after an event.
 *
 * A snapshot replaces the list; the version of a trip never goes back. A repeated or late change does nothing. What an
 * answer has told at the same version stays: `myRating` changes without an event.
 */
export function applyMyTripsEvent<Trip extends MyTrip>(mine: MyTrips<Trip>, event: MyTripsEvent<Trip>): MyTrips<Trip> {
  if (event.__typename === "TripChanged") {
    const known = find(mine, event.trip.id);
    return known !== undefined && known.version >= event.trip.version ? mine : put(mine, event.trip);
  }
  const trips = new Map<string, Trip>();
  for (const trip of event.trips) {
    const known = trips.get(trip.id) ?? find(mine, trip.id);
    trips.set(trip.id, known !== undefined && known.version > trip.version ? known : trip);
  }
  return { isKnown: true, trips: newestFirst([...trips.values()]) };
}

/** One's trips after an answer, which may be older than an event that came before it. */
export function learnTrip<Trip extends MyTrip>(mine: MyTrips<Trip>, trip: Trip): MyTrips<Trip> {
  const known = find(mine, trip.id);
  return known !== undefined && known.version > trip.version ? mine : put(mine, trip);
}

const ACTIVE = ["IN_PROGRESS", "STARTED", "REQUESTED"];

/** The trip to show first: of those that have not ended the one that is furthest on; of several, the first. */
export function activeTrip<Trip extends { readonly status: string }>(trips: readonly Trip[]): Trip | undefined {
  return ACTIVE.flatMap((status) => trips.filter((trip) => trip.status === status))[0];
}

function find<Trip extends MyTrip>({ trips }: MyTrips<Trip>, id: string): Trip | undefined {
  return trips.find((trip) => trip.id === id);
}

function put<Trip extends MyTrip>(mine: MyTrips<Trip>, trip: Trip): MyTrips<Trip> {
  return { ...mine, trips: newestFirst([trip, ...mine.trips.filter(({ id }) => id !== trip.id)]) };
}

function newestFirst<Trip extends MyTrip>(trips: Trip[]): Trip[] {
  return trips.sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0));
}
