import { useEffect, useState } from "react";
import { EstimateTrip } from "@taxirank/client";

import type { Route } from "../api/types";
import type { Connection } from "../../api/connection";
import { parse, format, type GeoPoint } from "../../map/geo";

const SETTLED_AFTER_MS = 300;

export interface Estimated {
  route: Route | null;
  driversNearby: number;
  pickUpEta: number | null;
}

/** The estimate of a trip between two points, once they have not changed for a moment; null without one. */
export function useEstimate(connection: Connection, from: GeoPoint | null, to: GeoPoint | null): Estimated | null {
  const [known, setKnown] = useState<{ of: string; estimate: Estimated } | null>(null);
  const asks = from && to ? `${format(from)};${format(to)}` : null;
  useEffect(() => {
    if (asks === null) return;
    let isCurrent = true;
    const asking = setTimeout(() => {
      const [pickUp, dropOff] = asks.split(";").map(parse);
      // Without an estimate the rider can request the trip all the same: a failure is not shown.
      void connection.ask(EstimateTrip, { pickUp: pickUp!, dropOff: dropOff! }).then(({ data }) => {
        if (isCurrent && data) setKnown({ of: asks, estimate: data.tripEstimate });
      });
    }, SETTLED_AFTER_MS);
    return () => {
      isCurrent = false;
      clearTimeout(asking);
    };
  }, [connection, asks]);
  return known !== null && known.of === asks ? known.estimate : null;
}
