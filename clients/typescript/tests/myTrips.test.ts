import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { activeTrip, applyMyTripsEvent, learnTrip, NO_TRIPS, type MyTrips, type MyTripsEvent } from "../src/index.js";
import { anId, created, disturbed } from "./histories.js";

interface Trip {
  id: string;
  version: number;
  created: string;
  myRating?: number;
}
type Event = MyTripsEvent<Trip>;

const trip = (id: string, version: number): Trip => ({ id, version, created: created(id) });
const changed = (id: string, version: number): Event => ({ __typename: "TripChanged", trip: trip(id, version) });
const snapshot = (...trips: Trip[]): Event => ({ __typename: "MyTripsSnapshot", trips });
const after = (events: Event[], mine: MyTrips<Trip> = NO_TRIPS) => events.reduce(applyMyTripsEvent<Trip>, mine);

const told = fc.array(anId).map((ids) => {
  const versions = new Map<string, number>();
  return ids.map((id) => {
    versions.set(id, (versions.get(id) ?? 0) + 1);
    return changed(id, versions.get(id)!);
  });
});

test("with repeated, late and missing events each trip is shown once, at the newest version heard, the newest first", () => {
  fc.assert(
    fc.property(disturbed(told), (events) => {
      let mine = after([snapshot()]);
      const newest = new Map<string, number>();
      for (const event of events) {
        mine = applyMyTripsEvent(mine, event);
        const heard = (event as Extract<Event, { __typename: "TripChanged" }>).trip;
        newest.set(heard.id, Math.max(newest.get(heard.id) ?? 0, heard.version));
        const expected = [...newest].map(([id, version]) => trip(id, version)).sort((a, b) => (a.id < b.id ? 1 : -1));
        assert.deepEqual(mine.trips, expected);
        assert.equal(applyMyTripsEvent(mine, event), mine);
      }
    }),
  );
});

test("answers and events may come in any order", () => {
  fc.assert(
    fc.property(disturbed(told), fc.func(fc.boolean()), (events, isAnswer) => {
      const mixed = events.reduce((mine, event) => {
        const { trip } = event as Extract<Event, { __typename: "TripChanged" }>;
        return isAnswer(event) ? learnTrip(mine, trip) : applyMyTripsEvent(mine, event);
      }, after([snapshot()]));
      assert.deepEqual(mixed, after([snapshot(), ...events]));
    }),
  );
});

test("a snapshot replaces the list, but not a newer version", () => {
  const mine = after([snapshot(trip("1", 1), trip("2", 4)), changed("1", 3)]);
  assert.deepEqual(after([snapshot(trip("1", 2))], mine).trips, [trip("1", 3)]);
  assert.deepEqual(after([snapshot({ ...trip("1", 3), myRating: 5 })], mine).trips, [{ ...trip("1", 3), myRating: 5 }]);
});

test("what an answer tells without a new version stays when the change is repeated", () => {
  const rated = learnTrip(after([snapshot(trip("1", 5))]), { ...trip("1", 5), myRating: 4 });
  assert.deepEqual(after([changed("1", 5)], rated).trips, [{ ...trip("1", 5), myRating: 4 }]);
});

test("it is told whether all trips are known", () => {
  const answered = learnTrip(NO_TRIPS as MyTrips<Trip>, trip("1", 1));
  assert.deepEqual(answered, { isKnown: false, trips: [trip("1", 1)] });
  assert.deepEqual(after([snapshot()], answered), { isKnown: true, trips: [] });
});

test("the active trip is the one that is furthest on, and none that has ended", () => {
  const trips = ["EXPIRED", "REQUESTED", "STARTED", "REQUESTED", "COMPLETED"].map((status) => ({ status }));
  assert.equal(activeTrip(trips), trips[2]);
  assert.equal(activeTrip(trips.slice(0, 2)), trips[1]);
  assert.equal(activeTrip([{ status: "CANCELLED" }]), undefined);
});

test("of trips of the same moment the last one heard comes first", () => {
  const trips = ["1", "2", "3"].map((id) => ({ ...trip(id, 1), created: created("1") }));
  const mine = after(trips.map((trip) => ({ __typename: "TripChanged", trip })));
  assert.deepEqual(mine.trips.map(({ id }) => id), ["3", "2", "1"]);
  assert.deepEqual(after([snapshot(...mine.trips)]).trips, mine.trips);
});
