import { useCallback, useEffect, useRef, useState } from "react";
import { ReportLocation, userProblems, type Problem } from "@taxirank/client";

import type { Connection } from "../../api/connection";
import { along, route } from "../../map/streets";
import { DEMO_SPEED } from "../demo/pace";
import { heading, toGeoPoint, toSpot, type GeoPoint, type Spot } from "../../map/geo";
import { PLACES } from "../../map/places";
import { read, write } from "../panels";
import { useProblems } from "../../api/useProblems";

interface Car {
  point: GeoPoint;
  heading: number;
}

const STEP_MS = 800;
/** The server accepts five reports a second. */
const MIN_REPORT_INTERVAL_MS = 250;
/** The server calls a position stale after a minute, so a parked car reports too. */
const REPEAT_REPORT_MS = 20_000;
const RETRY_REPORT_MS = 2_000;

/**
 * A driver's car: where it is, how it moves, and the reports of its position to the server.
 *
 * `reports`: whether the server takes its positions now.
 */
export function useCar(connection: Connection, panelId: string, reports: boolean) {
  const storedAs = `taxirank.car.${panelId}`;
  const [car, setCar] = useState<Car>(() => read<Car>(storedAs) ?? { point: firstPoint(panelId), heading: 0 });
  const [problems, setProblems] = useProblems(connection);
  const [way, setWay] = useState<Spot[] | null>(null);
  const reporter = useRef<Reporter | null>(null);
  const at = useRef(car);

  const place = useCallback(
    (moved: Car) => {
      at.current = moved;
      setCar(moved);
      write(storedAs, moved);
      reporter.current?.report(moved);
    },
    [storedAs],
  );

  useEffect(() => {
    if (!reports) return;
    const own = new Reporter(connection, setProblems);
    reporter.current = own;
    const remind = () => own.report(at.current);
    remind();
    const reminding = setInterval(remind, REPEAT_REPORT_MS);
    // After a restart the server knows no position.
    const stopListening = connection.onReturn(remind);
    return () => {
      clearInterval(reminding);
      stopListening();
      own.stop();
      reporter.current = null;
      setProblems([]);
    };
  }, [connection, reports, setProblems]);

  useEffect(() => {
    if (way === null) return;
    const began = performance.now();
    const driving = setInterval(() => {
      const here = along(way, ((performance.now() - began) / 1000) * DEMO_SPEED);
      if (here) {
        place({ point: toGeoPoint(here.spot), heading: heading(here.spot, here.next) });
        return;
      }
      place({ point: toGeoPoint(way.at(-1)!), heading: at.current.heading });
      setWay(null);
    }, STEP_MS);
    return () => clearInterval(driving);
  }, [way, place]);

  /** Move the car immediately, heading towards a point. Ends a drive. */
  const moveTo = useCallback(
    (point: GeoPoint, towards?: Spot) => {
      setWay(null);
      const here = toSpot(point);
      place({ point, heading: heading(towards ? here : toSpot(at.current.point), towards ?? here) });
    },
    [place],
  );
  /** Drive to a point: along `known`, if that is given, or along the streets of the map. */
  const driveTo = useCallback((point: GeoPoint, known?: readonly GeoPoint[]) => {
    const from = toSpot(at.current.point);
    setWay(known ? [from, ...known.map(toSpot), toSpot(point)] : route(from, toSpot(point)));
  }, []);
  const stop = useCallback(() => setWay(null), []);

  return { car, way, problems, moveTo, driveTo, stop };
}

/**
 * Reports the car's position: only the newest, one request at a time, no faster than the server accepts. A report that
 * failed is sent again.
 */
class Reporter {
  #waiting: Car | null = null;
  #isBusy = false;
  #isStopped = false;
  readonly #connection: Connection;
  readonly #tell: (problems: Problem[]) => void;

  constructor(connection: Connection, tell: (problems: Problem[]) => void) {
    this.#connection = connection;
    this.#tell = tell;
  }

  report(car: Car): void {
    this.#waiting = car;
    if (!this.#isBusy) void this.#send();
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #send(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting !== null && !this.#isStopped) {
      const car = this.#waiting;
      this.#waiting = null;
      const input = { ...car, recordedAt: new Date().toISOString() };
      const { data, problems } = await this.#connection.ask(ReportLocation, { input });
      if (this.#isStopped) return;
      if (data === null) this.#waiting ??= car;
      const limited = problems.find(({ retryAfterS }) => retryAfterS !== undefined);
      // The user can do nothing about a rate limit: the newest position is sent a little later.
      if (!limited) this.#tell(data === null ? problems : userProblems(data.reportLocation.errors));
      const again = (limited?.retryAfterS ?? 0) * 1000 || RETRY_REPORT_MS;
      await new Promise((done) => setTimeout(done, data === null ? again : MIN_REPORT_INTERVAL_MS));
    }
    this.#isBusy = false;
  }
}

/** Drivers start at different places, so that their distances to a rider differ. */
function firstPoint(panelId: string): GeoPoint {
  const places = ["Rembrandt Square", "Vondel Park", "Java Square", "Anne Frank House"];
  const name = places[(Number(panelId.split("-")[1] ?? 1) - 1) % places.length];
  return PLACES.find((place) => place.name === name)!.point;
}
