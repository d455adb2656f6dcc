import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { applyCarEvent, visibleCar, type CarEvent } from "../src/index.js";
import { disturbed } from "./histories.js";

// The server writes whole seconds without a fraction: as text, they would come after the fractions.
const at = (second: number): string => new Date(second * 500).toISOString().replace(".000", "");
const position = (second: number, isStale = false, isGone = false): CarEvent => ({ recordedAt: at(second), isStale, isGone });
const after = (events: CarEvent[]) => events.reduce<CarEvent | null>(applyCarEvent, null);

const told = fc
  .uniqueArray(fc.record({ second: fc.nat({ max: 6 }), age: fc.nat({ max: 2 }) }), {
    selector: ({ second, age }) => second * 3 + age,
  })
  .map((events) => events.sort((a, b) => a.second - b.second || a.age - b.age))
  .map((events) => events.map(({ second, age }) => position(second, age > 0, age > 1)));

test("with repeated, late and missing events the car is where it was last, and no position becomes fresh again", () => {
  fc.assert(
    fc.property(disturbed(told), (events) => {
      const rank = ({ recordedAt, isStale, isGone }: CarEvent) =>
        Date.parse(recordedAt) * 3 + Number(isStale) + Number(isGone);
      let last: CarEvent | null = null;
      for (const [count, event] of events.entries()) {
        last = applyCarEvent(last, event);
        assert.equal(rank(last), Math.max(...events.slice(0, count + 1).map(rank)));
        assert.equal(applyCarEvent(last, { ...event }), last);
      }
    }),
  );
});

test("a car that is gone is not drawn, and a newer position shows it again", () => {
  assert.equal(visibleCar(null), null);
  assert.deepEqual(visibleCar(after([position(1), position(1, true)])), position(1, true));
  assert.equal(visibleCar(after([position(1), position(1, true), position(1, true, true)])), null);
  assert.deepEqual(visibleCar(after([position(1, true, true), position(2)])), position(2));
});
