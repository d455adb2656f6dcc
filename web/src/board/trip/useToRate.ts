import { useState } from "react";

import type { Trip } from "../api/types";
import { canBeRated } from "./TripParts";

/** The newest trip of `trips`, if the user may rate it and has not put that off; and what puts it off. */
export function useToRate(trips: readonly Trip[] | null): [Trip | undefined, () => void] {
  const [putOff, setPutOff] = useState<string | null>(null);
  const newest = trips?.[0];
  const trip = newest && canBeRated(newest) && newest.id !== putOff ? newest : undefined;
  return [trip, () => setPutOff(trip?.id ?? null)];
}
