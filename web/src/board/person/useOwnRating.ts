import { useEffect } from "react";

import type { Party, Person } from "../api/types";

/**
 * Keeps the user's own rating up to date. A rating is no event, but every message about a trip has the averages of both
 * parties. `self`: the user, as the newest trip shows them.
 */
export function useOwnRating(person: Person, self: Party | null | undefined, onPerson: (person: Person) => void): void {
  const rating = self?.rating;
  useEffect(() => {
    if (rating) onPerson({ ...person, rating });
    // Only a new message has news: `person` may be newer than it.
  }, [rating]);
}
