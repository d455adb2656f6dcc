import "./EstimateLine.css";

import { DEMO_PACE, hasDemoCars } from "../demo/pace";
import { inTime, lengthInWords } from "../trip/words";
import type { Estimated } from "./useEstimate";

/** From here on the server does not count. */
const MANY = 20;

/** What a trip would be like. */
export function EstimateLine({ estimate: { route, driversNearby, pickUpEta } }: { estimate: Estimated }) {
  const drivers =
    driversNearby === 0
      ? "No driver nearby now"
      : `${driversNearby >= MANY ? `${MANY} or more drivers` : driversNearby === 1 ? "1 driver" : `${driversNearby} drivers`} nearby`;
  return (
    <p className="estimate" role="status">
      {route && (
        <strong>
          {lengthInWords(route)}, {inTime(route.durationS)}
        </strong>
      )}{" "}
      <span>
        {drivers}
        {pickUpEta !== null && `, the nearest ${inTime(pickUpEta)} away`}
      </span>
      {route && (route.estimated || hasDemoCars()) && (
        <small>
          {route.estimated && "Estimated from the straight line. "}
          {hasDemoCars() && `A car on this page needs ${inTime(route.durationS / DEMO_PACE)}.`}
        </small>
      )}
    </p>
  );
}
