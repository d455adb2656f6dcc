import { useEffect, useRef, useState } from "react";
import type { Trip } from "../api/types";


/** A change of a trip, in words. */
export interface Happening {
  text: string;
  /** Whether it stays on the screen until the user dismisses it, because nothing else there shows it. */
  stays: boolean;
}

/**
 * Announces each change of a known trip that has a message. Returns the last message that stays, with a function that
 * dismisses it, until another change or a new trip comes.
 */
export function useHappenings(
  trips: readonly Trip[] | null,
  inWords: (trip: Trip, before: Trip) => Happening | null,
  say: (text: string) => void,
): [string | null, () => void] {
  const known = useRef(new Map<string, Trip>());
  const [notice, setNotice] = useState<string | null>(null);
  useEffect(() => {
    // The newest comes first in the list, and must be announced last.
    for (const trip of [...(trips ?? [])].reverse()) {
      const before = known.current.get(trip.id);
      known.current.set(trip.id, trip);
      if (before?.status === trip.status && before.arrivedAt === trip.arrivedAt) continue;
      const happened = before ? inWords(trip, before) : null;
      if (happened) say(happened.text);
      setNotice(happened?.stays ? happened.text : null);
    }
  }, [trips, inWords, say]);
  return [notice, () => setNotice(null)];
}
