import { useCallback, useEffect, useRef, useState } from "react";

import type { Connection } from "./api/connection";
import { ReportLocation } from "./api/operations";
import { userProblems, type Problem } from "./api/problems";
import { along, route } from "./map/city";
import { heading, toGeoPoint, toSpot, type GeoPoint, type Spot } from "./map/geo";
import { PLACES } from "./map/places";
import { read, write } from "./seats";
import { useProblems } from "./useProblems";

export interface Car {
  point: GeoPoint;
  heading: number;
}

/** As fast as the server's estimate expects, and ten times that, since nobody wants to watch for a quarter of an hour. */
const METRES_A_SECOND = (25 / 3.6) * 10;
const STEP_MS = 800;
/** The server takes five a second. */
const LEAST_MS_BETWEEN_REPORTS = 250;
/** The server shows a position as stale after a minute, also that of a car that stands. */
const REMIND_EVERY_MS = 20_000;
const TELL_AGAIN_AFTER_MS = 2_000;

/** A driver's car: where it is, how it is moved, and telling the server of it. */
export function useCar(connection: Connection, seatId: string) {
  const storedAs = `taxirank.car.${seatId}`;
  const [car, setCar] = useState<Car>(() => read<Car>(storedAs) ?? { point: firstPoint(seatId), heading: 0 });
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
    const own = new Reporter(connection, setProblems);
    reporter.current = own;
    const remind = () => own.report(at.current);
    remind();
    const reminding = setInterval(remind, REMIND_EVERY_MS);
    // A server that has started anew knows of no car.
    const stopListening = connection.onReturn(remind);
    return () => {
      clearInterval(reminding);
      stopListening();
      own.stop();
    };
  }, [connection, setProblems]);

  useEffect(() => {
    if (way === null) return;
    const began = performance.now();
    const driving = setInterval(() => {
      const here = along(way, ((performance.now() - began) / 1000) * METRES_A_SECOND);
      if (here) {
        place({ point: toGeoPoint(here.spot), heading: heading(here.spot, here.next) });
        return;
      }
      place({ point: toGeoPoint(way.at(-1)!), heading: at.current.heading });
      setWay(null);
    }, STEP_MS);
    return () => clearInterval(driving);
  }, [way, place]);

  /** Put it there at once, looking towards a spot. Ends a drive. */
  const moveTo = useCallback(
    (point: GeoPoint, towards?: Spot) => {
      setWay(null);
      const here = toSpot(point);
      place({ point, heading: heading(towards ? here : toSpot(at.current.point), towards ?? here) });
    },
    [place],
  );
  const driveTo = useCallback((point: GeoPoint) => setWay(route(toSpot(at.current.point), toSpot(point))), []);
  const stop = useCallback(() => setWay(null), []);

  return { car, way, problems, moveTo, driveTo, stop };
}

/**
 * Tells the server where the car is: the newest position only, one at a time, and no more often than it may. What has not
 * arrived is told again.
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
      // Too often is no fault that anybody could mend: what is newest is told a little later.
      if (!limited) this.#tell(data === null ? problems : userProblems(data.reportLocation.errors));
      const again = (limited?.retryAfterS ?? 0) * 1000 || TELL_AGAIN_AFTER_MS;
      await new Promise((done) => setTimeout(done, data === null ? again : LEAST_MS_BETWEEN_REPORTS));
    }
    this.#isBusy = false;
  }
}

/** Drivers begin at different places, so that one sees who is near. */
function firstPoint(seatId: string): GeoPoint {
  const places = ["Rembrandt Square", "Vondel Park", "Java Square", "Anne Frank House"];
  const name = places[(Number(seatId.split("-")[1] ?? 1) - 1) % places.length];
  return PLACES.find((place) => place.name === name)!.point;
}
