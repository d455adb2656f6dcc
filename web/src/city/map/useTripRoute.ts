import { useEffect, useState } from "react";

import type { Connection } from "../../api/connection";
import type { GeoPoint } from "../../map/geo";
import { lineOf, TripRoute } from "../api/city";
import type { City, Thing, Trip } from "../model";

/** Whoever moves the pointer over the map asks nothing. */
const REST_MS = 150;
/** So often it is asked again while the trip stays chosen: a car may have taken another way. */
const EVERY_MS = 10_000;

/** The drives of a trip along the streets, as far as they are known. */
export interface TripRoutes {
  tripId: string;
  /** From the car to the pick-up. */
  toPickUp?: readonly GeoPoint[] | undefined;
  toDropOff?: readonly GeoPoint[] | undefined;
}

/** The drives of the chosen trip, or of the chosen driver's; null while they are unknown. */
export function useTripRoute(connection: Connection | null, city: City | null, chosen: Thing | null): TripRoutes | null {
  const [known, setKnown] = useState<{ key: string; routes: TripRoutes } | null>(null);
  const trip = city && chosen ? tripOf(city, chosen) : undefined;
  const id = trip?.id;
  // Another driver, or another leg, has other drives.
  const key = trip && `${trip.id} ${trip.status} ${trip.driver?.id}`;

  useEffect(() => {
    if (connection === null || id === undefined || key === undefined) return;
    let isLeft = false;
    async function look(asked: Connection, tripId: string, asKey: string) {
      const { data } = await asked.ask(TripRoute, { id: tripId });
      if (isLeft || data === null) return;
      const { toPickUp, toDropOff } = data.cityTripRoute ?? {};
      setKnown({ key: asKey, routes: { tripId, toPickUp: lineOf(toPickUp), toDropOff: lineOf(toDropOff) } });
    }
    const first = setTimeout(() => void look(connection, id, key), REST_MS);
    const again = setInterval(() => void look(connection, id, key), EVERY_MS);
    return () => {
      isLeft = true;
      clearTimeout(first);
      clearInterval(again);
    };
  }, [connection, id, key]);

  return known !== null && known.key === key ? known.routes : null;
}

function tripOf(city: City, { kind, id }: Thing): Trip | undefined {
  const tripId = kind === "trip" ? id : city.drivers.get(id)?.tripId;
  return tripId == null ? undefined : city.trips.get(tripId);
}
