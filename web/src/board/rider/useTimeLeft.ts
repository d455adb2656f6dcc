import { useEffect, useRef, useState } from "react";
import { TripEtas } from "@taxirank/client";
import type { Car as SeenCar } from "@taxirank/client/react";

import type { Trip } from "../api/types";
import type { Connection } from "../../api/connection";
import { format } from "../../map/geo";
import { usePace } from "../demo/pace";

const ASK_EVERY_MS = 3_000;

interface TimeLeft {
  /** The seconds until the driver reaches the pick-up, if that is known. */
  toPickUpS: number | null;
  /** The seconds until the rider reaches the drop-off, if that is known. */
  toDropOffS: number | null;
}

const UNKNOWN: TimeLeft = { toPickUpS: null, toDropOffS: null };

/** The time left, at the pace of the car. No event has it, so it is queried again when the car moves. */
export function useTimeLeft(connection: Connection, trip: Trip | undefined, car: SeenCar | null): TimeLeft {
  const id = trip?.status === "STARTED" || trip?.status === "IN_PROGRESS" ? trip.id : null;
  const status = trip?.status;
  const [etas, setEtas] = useState<{ of: string; pickUp: number | null; dropOff: number | null } | null>(null);
  const askedAt = useRef(0);
  const pace = usePace(trip?.driver?.id, car);
  // There is no estimate for a stale position.
  const where = car && !car.isStale ? format(car.point) : "";
  const asks = `${id} ${status}`;
  useEffect(() => {
    if (id === null || where === "") return;
    const wait = Math.max(0, askedAt.current + ASK_EVERY_MS - Date.now());
    const asking = setTimeout(() => {
      askedAt.current = Date.now();
      void connection.ask(TripEtas, { id }).then(({ data }) => {
        if (data?.trip) setEtas({ of: asks, pickUp: data.trip.pickUpEta, dropOff: data.trip.dropOffEta });
      });
    }, wait);
    return () => clearTimeout(asking);
  }, [connection, id, asks, where]);
  if (id === null || trip === undefined || where === "") return UNKNOWN;
  const known = etas?.of === asks ? etas : { pickUp: trip.pickUpEta, dropOff: trip.dropOffEta };
  const atPace = (seconds: number | null) => (seconds === null ? null : seconds / pace);
  return { toPickUpS: atPace(known.pickUp), toDropOffS: atPace(known.dropOff) };
}
