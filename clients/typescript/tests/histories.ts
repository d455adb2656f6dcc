/** Histories of trips as the server tells them, and what a bad network makes of them. */
import fc from "fast-check";

/** The events with some repeated, some late and some missing. */
export function disturbed<Event>(events: fc.Arbitrary<Event[]>): fc.Arbitrary<Event[]> {
  return events.chain((told) => {
    const place = fc.nat({ max: Math.max(told.length - 1, 0) });
    return fc.record({ repeats: fc.array(fc.tuple(place, place)), missing: fc.array(place, { maxLength: 3 }) }).map(
      ({ repeats, missing }) => {
        const heard = told.filter((_, at) => !missing.includes(at));
        // A repeated event comes again at any later place.
        for (const [from, to] of repeats) if (told[from] !== undefined) heard.splice(Math.max(from, to), 0, told[from]);
        return heard;
      },
    );
  });
}

export function created(id: string): string {
  return `2026-01-01T00:00:0${id}Z`;
}

export const anId = fc.constantFrom("1", "2", "3", "4");
