import { useEffect, useRef, useState } from "react";

import { PLACES, straightWay, type Point } from "./places";

const STEPS = 12;
const STEP_MS = 700;
/** Also a parked car reports: without a report for a minute the server calls its position stale. */
const REPORT_EVERY_MS = 20_000;

export interface Position {
  readonly point: Point;
  readonly recordedAt: string;
}

export interface SimulatedCar {
  readonly point: Point;
  readonly isDriving: boolean;
  readonly driveTo: (target: Point) => void;
}

/**
 * A car for a desk, which drives in straight lines. In a real car report what `navigator.geolocation` measures.
 *
 * `report` is null while the server takes no position of this driver.
 */
export function useSimulatedCar(report: ((position: Position) => void) | null): SimulatedCar {
  const [point, setPoint] = useState<Point>(PLACES[1]!.point);
  const [way, setWay] = useState<readonly Point[]>([]);
  const latest = useRef(report);
  const reports = report !== null;
  useEffect(() => {
    latest.current = report;
  });

  useEffect(() => {
    if (!reports) return;
    const tell = () => latest.current?.({ point, recordedAt: new Date().toISOString() });
    tell();
    const timer = setInterval(tell, REPORT_EVERY_MS);
    return () => clearInterval(timer);
  }, [point, reports]);

  useEffect(() => {
    const [next, ...rest] = way;
    if (next === undefined) return;
    const timer = setTimeout(() => {
      setPoint(next);
      setWay(rest);
    }, STEP_MS);
    return () => clearTimeout(timer);
  }, [way]);

  return { point, isDriving: way.length > 0, driveTo: (target) => setWay(straightWay(point, target, STEPS)) };
}
