import "./Legend.css";

import { Sign } from "./map/Sign";
import { KINDS, type Kind } from "./map/signs";
import type { City } from "./model";
import { KIND, kindOf } from "./words";

interface Props {
  city: City | null;
  hidden: ReadonlySet<Kind>;
  onHide: (hidden: ReadonlySet<Kind>) => void;
}

/** What the signs of the map mean, how many there are of each, and which are shown. */
export function Legend({ city, hidden, onHide }: Props) {
  const counts = countsOf(city);

  function toggle(kind: Kind) {
    const next = new Set(hidden);
    if (!next.delete(kind)) next.add(kind);
    onHide(next);
  }

  return (
    <fieldset className="legend">
      <legend className="visually-hidden">Shown on the map</legend>
      {KINDS.map((kind) => (
        <label key={kind}>
          <input type="checkbox" checked={!hidden.has(kind)} onChange={() => toggle(kind)} />
          <Sign kind={kind} />
          {KIND[kind]} <b>{counts[kind]}</b>
        </label>
      ))}
    </fieldset>
  );
}

function countsOf(city: City | null): Record<Kind, number> {
  const counts: Record<Kind, number> = { available: 0, "on-trip": 0, silent: 0, request: 0, "under-way": 0 };
  for (const driver of city?.drivers.values() ?? []) counts[kindOf(driver)] += 1;
  for (const { status } of city?.trips.values() ?? []) counts[status === "REQUESTED" ? "request" : "under-way"] += 1;
  return counts;
}
