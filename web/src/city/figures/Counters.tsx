import "./Counters.css";

import { totalOf, type Figure } from "../api/city";
import type { City } from "../model";
import { CODE, duration } from "../words";
import type { Known } from "./useFigures";

/** What there is now, and what the last hour was like. */
export function Counters({ city, known }: { city: City | null; known: Known | null }) {
  const hour = known?.figures.hour.total;
  const onTrip = city ? [...city.drivers.values()].filter(({ tripId }) => tripId !== null).length : null;
  return (
    <section aria-labelledby="counters">
      <h2 className="visually-hidden" id="counters">
        Now, and in the last hour
      </h2>
      <dl className="counters">
        <Counter name="Open requests" value={city?.counts.open} />
        <Counter name="Trips under way" value={city?.counts.underWay} />
        <Counter
          name="Drivers available"
          value={city?.counts.available}
          more={known?.figures.hour.driversOffDuty == null ? undefined : `${known.figures.hour.driversOffDuty} off duty`}
        />
        <Counter name="Drivers on a trip" value={onTrip} />
        <Counter
          name="Time to accept"
          value={hour && duration(hour.timeToAccept?.p50S ?? null)}
          more={hour && `p99 ${duration(hour.timeToAccept?.p99S ?? null)}, last hour`}
        />
        <Counter name="Expired" value={hour?.expired} more="last hour" />
        <Counter name="Cancelled" value={hour && totalOf(hour.cancelled)} more={hour && inWords(hour.cancelled)} isWide />
      </dl>
    </section>
  );
}

interface CounterProps {
  name: string;
  value: number | string | null | undefined;
  more?: string | undefined;
  /** It has more to say than the others. */
  isWide?: boolean;
}

function Counter({ name, value, more, isWide = false }: CounterProps) {
  return (
    <div className={isWide ? "wide" : undefined}>
      <dt>{name}</dt>
      <dd>
        {value ?? "–"}
        {more && <small>{more}</small>}
      </dd>
    </div>
  );
}

type Cancelled = Figure["cancelled"];

function inWords(cancelled: Cancelled): string {
  return ["last hour", ...cancelled.map(({ code, count }) => `${count} ${code === null ? "without a reason" : CODE[code]}`)].join(
    " · ",
  );
}
