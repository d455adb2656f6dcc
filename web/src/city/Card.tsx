import "./Card.css";

import type { CSSProperties } from "react";

import { Sign } from "./map/Sign";
import { pageOf, type City, type Thing } from "./model";
import { age, kindOf, standingOf, statusOf } from "./words";

interface Props {
  city: City;
  thing: Thing;
  className: string;
  /** Where it is, in pixels from the corner of the map. */
  x: number;
  y: number;
}

/** What is known of the thing under the pointer. */
export function Card({ city, thing, className, x, y }: Props) {
  const driver = thing.kind === "driver" ? city.drivers.get(thing.id) : undefined;
  const trip = thing.kind === "trip" ? city.trips.get(thing.id) : undefined;
  if (!driver && !trip) return null;
  return (
    <div className={`card ${className}`} style={{ "--x": `${x}px`, "--y": `${y}px` } as CSSProperties} data-card={thing.kind}>
      {driver && (
        <>
          <p className="what">
            <Sign kind={kindOf(driver)} /> <a href={pageOf(thing)}>{driver.name}</a>
          </p>
          <p>{standingOf(driver)}</p>
          <p>Seen {age((city.at - driver.seenAt) / 1000)} ago</p>
        </>
      )}
      {trip && (
        <>
          <p className="what">
            <Sign kind={trip.status === "REQUESTED" ? "request" : "under-way"} />{" "}
            <a href={pageOf(thing)}>
              {trip.pickUpAddress} → {trip.dropOffAddress}
            </a>
          </p>
          <p>
            {statusOf(trip)}
            {trip.driver && ` · ${trip.driver.name}`}
          </p>
          <p>For {trip.rider.name}</p>
          <p>Requested {age((city.at - trip.requestedAt) / 1000)} ago</p>
        </>
      )}
    </div>
  );
}
