import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { applyPoolEvent, EMPTY_POOL, forgetOffer, openOffers, type Pool, type PoolEvent } from "../src/index.js";
import { anId, disturbed } from "./histories.js";

interface Offer {
  id: string;
  version: number;
}
type Event = PoolEvent<Offer>;

const snapshot = (...offers: Offer[]): Event => ({ __typename: "PoolSnapshot", offers, truncated: false, paused: null });
const offered = (id: string, version: number): Event => ({ __typename: "TripOffered", trip: { id, version } });
const taken = (tripId: string, version: number): Event => ({ __typename: "TripWithdrawn", tripId, version, reason: "TAKEN" });
const outOfRange = (tripId: string, version: number): Event => ({
  __typename: "TripWithdrawn",
  tripId,
  version,
  reason: "OUT_OF_RANGE",
});
const after = (events: Event[], pool: Pool<Offer> = EMPTY_POOL) => events.reduce(applyPoolEvent<Offer>, pool);

/** What the server tells of a few trips, in order: each is offered and taken, again and again. */
const told = fc.array(anId).map((ids) => {
  const versions = new Map<string, number>();
  return ids.map((id) => {
    const version = (versions.get(id) ?? 0) + 1;
    versions.set(id, version);
    return version % 2 === 1 ? offered(id, version) : taken(id, version);
  });
});

test("what the server tells in order is what is shown", () => {
  fc.assert(
    fc.property(told, (events) => {
      const open = new Map<string, number>();
      for (const event of events) {
        if (event.__typename === "TripOffered") open.set(event.trip.id, event.trip.version);
        if (event.__typename === "TripWithdrawn") open.delete(event.tripId);
      }
      const shown = openOffers(after([snapshot(), ...events])).map(({ id, version }) => [id, version] as const);
      assert.deepEqual(new Map(shown), open);
    }),
  );
});

test("with repeated, late and missing events no offer is shown twice, goes back, or returns after it was taken", () => {
  fc.assert(
    fc.property(disturbed(told), (events) => {
      let pool = after([snapshot()]);
      const newest = new Map<string, number>();
      for (const event of events) {
        pool = applyPoolEvent(pool, event);
        const [id, version] =
          event.__typename === "TripOffered"
            ? [event.trip.id, event.trip.version]
            : event.__typename === "TripWithdrawn"
              ? [event.tripId, event.version]
              : ["", 0];
        newest.set(id, Math.max(newest.get(id) ?? 0, version));
        const ids = pool.entries.map(({ offer }) => offer.id);
        assert.equal(new Set(ids).size, ids.length);
        // An odd version is an offer, an even one says that it is taken: what was heard last of a trip decides.
        const open = [...newest].filter(([, version]) => version % 2 === 1);
        assert.deepEqual(new Map(openOffers(pool).map(({ id, version }) => [id, version])), new Map(open));
      }
    }),
  );
});

test("an event that has been heard changes nothing when it is repeated at once", () => {
  fc.assert(
    fc.property(disturbed(told), (events) => {
      let pool = after([snapshot()]);
      for (const event of events) {
        pool = applyPoolEvent(pool, event);
        assert.equal(applyPoolEvent(pool, event), pool);
      }
    }),
  );
});

test("a snapshot repairs whatever was missed", () => {
  fc.assert(
    fc.property(told, fc.func(fc.boolean()), (events, isHeard) => {
      const heard = after([snapshot(), ...events.filter(isHeard)]);
      const truth = openOffers(after([snapshot(), ...events]));
      assert.deepEqual(openOffers(after([snapshot(...truth)], heard)), truth);
    }),
  );
});

test("nothing is known before the first snapshot", () => {
  assert.equal(after([offered("1", 1)]), EMPTY_POOL);
  assert.deepEqual(EMPTY_POOL, { isKnown: false, entries: [], truncated: false, paused: null, withdrawnAt: new Map() });
  assert.equal(after([snapshot()]).isKnown, true);
});

test("a withdrawn offer stays with its reason until it is forgotten, and a late event does not show it again", () => {
  const pool = after([snapshot({ id: "1", version: 1 }), taken("1", 2), taken("1", 3)]);
  assert.deepEqual(pool.entries, [{ offer: { id: "1", version: 1 }, withdrawn: "TAKEN" }]);
  const forgotten = forgetOffer(pool, "1");
  assert.deepEqual(forgotten.entries, []);
  assert.deepEqual(openOffers(after([offered("1", 1)], forgotten)), []);
  assert.deepEqual(openOffers(after([snapshot({ id: "1", version: 1 })], forgotten)), []);
  assert.deepEqual(openOffers(after([offered("1", 4)], forgotten)), [{ id: "1", version: 4 }]);
});

test("what is withdrawn is withdrawn at that version, and a newer one offers it again", () => {
  const pool = forgetOffer(after([snapshot({ id: "1", version: 1 }), taken("1", 2)]), "1");
  assert.deepEqual(openOffers(after([offered("1", 2)], pool)), []);
  assert.deepEqual(openOffers(after([snapshot({ id: "1", version: 2 })], pool)), []);
  assert.deepEqual(openOffers(after([offered("1", 3)], pool)), [{ id: "1", version: 3 }]);
});

test("a snapshot takes no offer back to an older version, and renews one of the same version", () => {
  const told: Offer[] = [{ id: "1", version: 3 }, { id: "2", version: 1 }];
  const pool = after([snapshot({ id: "1", version: 2 }, { id: "2", version: 2 }), snapshot(...told)]);
  assert.deepEqual(openOffers(pool), [{ id: "1", version: 3 }, { id: "2", version: 2 }]);
  // What depends on the driver's place, such as the way to the pick-up, changes without a version.
  assert.equal(openOffers(pool)[0], told[0]);
  assert.deepEqual(openOffers(after([snapshot({ id: "1", version: 4 }, { id: "1", version: 3 })], pool)), [{ id: "1", version: 4 }]);
});

test("an offer that has changed stays where it is in the list", () => {
  const pool = after([snapshot({ id: "1", version: 1 }, { id: "2", version: 1 }), offered("2", 2)]);
  assert.deepEqual(openOffers(pool), [{ id: "1", version: 1 }, { id: "2", version: 2 }]);
  assert.deepEqual(openOffers(after([offered("3", 1)], pool)).map(({ id }) => id), ["3", "1", "2"]);
});

test("an open offer is not forgotten", () => {
  const pool = after([snapshot({ id: "1", version: 1 })]);
  assert.equal(forgetOffer(pool, "1"), pool);
});

test("an offer that comes back into reach is shown again, at the same version", () => {
  const pool = after([snapshot({ id: "1", version: 1 }), outOfRange("1", 1)]);
  assert.deepEqual(openOffers(pool), []);
  assert.deepEqual(openOffers(after([offered("1", 1)], pool)), [{ id: "1", version: 1 }]);
});

test("a paused pool has no offers until the next snapshot", () => {
  const paused: Event = { __typename: "PoolSnapshot", offers: [], truncated: false, paused: "ON_TRIP" };
  const pool = after([snapshot({ id: "1", version: 1 }), paused, offered("2", 1)]);
  assert.deepEqual([openOffers(pool), pool.paused], [[], "ON_TRIP"]);
  assert.deepEqual(openOffers(after([snapshot({ id: "2", version: 1 })], pool)), [{ id: "2", version: 1 }]);
});

test("the memory of withdrawn offers is bounded, and forgets what was withdrawn first", () => {
  const events = Array.from({ length: 500 }, (_, at) => taken(`${at}`, 2));
  const pool = after([snapshot(), ...events, taken("0", 4), taken("500", 2)]);
  assert.equal(pool.withdrawnAt.size, 500);
  assert.deepEqual(openOffers(after([offered("0", 3)], pool)), []);
  assert.deepEqual(openOffers(after([offered("1", 1)], pool)), [{ id: "1", version: 1 }]);
});
