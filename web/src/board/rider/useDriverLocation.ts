import { useEffect, useState } from "react";

import type { Connection } from "../../api/connection";
import { DriverLocation, type Trip } from "../api/trips";
import type { GeoPoint } from "../../map/geo";

export interface Seen {
  point: GeoPoint;
  heading: number | null;
  recordedAt: string;
  isStale: boolean;
}

/** Shows the rider the position of the driver; null while none is known. */
export function useDriverLocation(connection: Connection, trip: Trip | undefined): Seen | null {
  const isComing = trip?.status === "STARTED" || trip?.status === "IN_PROGRESS";
  const id = isComing ? trip.id : null;
  const driver = trip?.driver?.id;
  const [seen, setSeen] = useState<(Seen & { of: string; isGone: boolean }) | null>(null);
  useEffect(() => {
    if (id === null) return;
    // The subscription ends with the trip, or when the driver gives it back. An error at that moment is not shown.
    return connection.follow(
      DriverLocation,
      { tripId: id },
      ({ driverLocation }) => setSeen({ ...driverLocation, of: id }),
      () => undefined,
    );
  }, [connection, id, driver]);
  if (id === null) return null;
  if (seen?.of !== id) return trip?.driverLocation ?? null;
  return seen.isGone ? null : seen;
}
