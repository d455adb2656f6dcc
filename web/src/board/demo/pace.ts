/**
 * How fast the cars drive that a board or `server.py simulate` drives. The server estimates arrival times for real cars, so
 * an estimate is divided by the pace of the car that it is about.
 */
import { useEffect, useRef, useState } from "react";

import { distance, type GeoPoint } from "../../map/geo";

/** The speed of the server's estimates, in metres a second. */
const REAL_SPEED = 25 / 3.6;
/** A demo car drives so many times as fast: a real drive would take a quarter of an hour. */
export const DEMO_PACE = 10;
export const DEMO_SPEED = REAL_SPEED * DEMO_PACE;
/** Slower cars are real ones. */
const LEAST_DEMO_PACE = 4;
const SHORTEST_MS = 400;

interface Seen {
  point: GeoPoint;
  recordedAt: string;
}

const ownDrivers = new Set<string>();

/** From now on this page drives the car of that driver. */
export function drivesHere(driverId: string): void {
  ownDrivers.add(driverId);
}

/** Whether this page drives any car. */
export function hasDemoCars(): boolean {
  return ownDrivers.size > 0;
}

/** How many times as fast as a real car this one drives: a demo car of this page, or one that was seen to be as fast. */
export function usePace(driverId: string | undefined, car: Seen | null): number {
  const last = useRef<{ of: string | undefined; car: Seen } | null>(null);
  const [fast, setFast] = useState<string | undefined>(undefined);
  useEffect(() => {
    if (car === null) return;
    const before = last.current?.of === driverId ? last.current : null;
    const elapsedMs = before ? Date.parse(car.recordedAt) - Date.parse(before.car.recordedAt) : 0;
    if (before && elapsedMs < SHORTEST_MS) return;
    last.current = { of: driverId, car };
    if (before && (distance(before.car.point, car.point) / elapsedMs) * 1000 > REAL_SPEED * LEAST_DEMO_PACE) {
      setFast(driverId);
    }
  }, [driverId, car]);
  return driverId !== undefined && (ownDrivers.has(driverId) || fast === driverId) ? DEMO_PACE : 1;
}
