import "./Steps.css";

import type { ReactNode } from "react";

import type { Trip } from "../api/types";

interface Props {
  trip: Trip;
  isBusy: boolean;
  /** The form that starts the ride with a PIN, instead of the button; null without one. */
  pinForm: ((isNext: boolean) => ReactNode) | null;
  /** Whether the car is at the pick-up or the drop-off, wherever it is to go now. */
  isThere: boolean;
  /** Whether there is a position to drive to. */
  hasTarget: boolean;
  isDriving: boolean;
  onDrive: () => void;
  onArrive: () => void;
  onStart: () => void;
  onComplete: () => void;
}

/** What a driver does on a trip. Each button has a fixed place: a button that moves under a finger is pressed by mistake. */
export function Steps(props: Props) {
  const { trip, isBusy, isThere, hasTarget, isDriving } = props;
  const isComing = trip.status === "STARTED";
  const hasArrived = trip.arrivedAt !== null;
  const canDrive = hasTarget && !isThere;
  const placeName = <span className="whole">{isComing ? "pick-up" : "drop-off"}</span>;
  // The next thing to do stands out.
  const next = canDrive ? "drive" : !isComing ? "complete" : hasArrived ? "start" : "arrive";
  const look = (step: string) =>
    step !== next ? {} : { className: "primary", ...(isDriving ? {} : { "data-next": "" }) };
  return (
    <div className="steps">
        <button
          type="button"
          {...look("drive")}
          aria-disabled={!canDrive}
          onClick={() => canDrive && props.onDrive()}
        >
          {isDriving && !isThere ? (
            "Stop"
          ) : (
            <span>
              {isThere ? "You are at the" : "Drive to the"} {placeName}
            </span>
          )}
        </button>
        <button
          type="button"
          {...look("arrive")}
          disabled={isBusy || !isComing || hasArrived}
          onClick={props.onArrive}
        >
          I have arrived
        </button>
        {props.pinForm?.(next === "start") ?? (
          <>
            <button type="button" {...look("start")} disabled={isBusy || !isComing} onClick={props.onStart}>
              {trip.rider.firstName} is in the car
            </button>
            <button type="button" {...look("complete")} disabled={isBusy || isComing} onClick={props.onComplete}>
              Complete the trip
            </button>
          </>
        )}
    </div>
  );
}
