import { useEffect, useRef, useState } from "react";

import type { Trip } from "./api/operations";

/** A change of a trip, in words. */
export interface Happening {
  text: string;
  /** Whether it stays on the screen until it is dismissed, since nothing else there tells of it. */
  stays: boolean;
}

/**
 * Says each change of a trip that was known before, unless it is null in words. The last that stays is returned with how to
 * dismiss it, until something else happens or a trip is new.
 */
export function useHappenings(
  trips: readonly Trip[] | null,
  inWords: (trip: Trip, before: Trip) => Happening | null,
  say: (text: string) => void,
): [string | null, () => void] {
  const known = useRef(new Map<string, Trip>());
  const [notice, setNotice] = useState<string | null>(null);
  useEffect(() => {
    // The newest comes first, and is to be heard last.
    for (const trip of [...(trips ?? [])].reverse()) {
      const before = known.current.get(trip.id);
      known.current.set(trip.id, trip);
      if (before?.status === trip.status) continue;
      const happened = before ? inWords(trip, before) : null;
      if (happened) say(happened.text);
      setNotice(happened?.stays ? happened.text : null);
    }
  }, [trips, inWords, say]);
  return [notice, () => setNotice(null)];
}
