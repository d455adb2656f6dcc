import { useEffect, useMemo, useRef } from "react";

import type { Trip } from "../api/types";
import { lengthOf, route } from "../../map/streets";
import { distance, inWords, toSpot, type GeoPoint } from "../../map/geo";
import { DEMO_SPEED } from "../demo/pace";
import { CancelForm } from "../trip/CancelForm";
import { Party } from "../trip/Party";
import { Ends, History, Progress } from "../trip/TripParts";
import { DRIVERS_REASONS, inTime, STATUS_TO_DRIVER } from "../trip/words";
import { Problems } from "../../ui/Problems";
import { WaitingButton } from "../../ui/WaitingButton";
import { PinField } from "./PinField";
import { Steps } from "./Steps";
import type { TripChanges } from "./useTripChanges";

interface Props {
  trip: Trip;
  /** Where the car is. */
  point: GeoPoint;
  /** Where the car is to go, if that is known. */
  target: GeoPoint | null;
  isDriving: boolean;
  changes: TripChanges;
  onDrive: () => void;
}

/** Nearer is there. */
const THERE_M = 30;

/** The driver's trip under way. */
export function CurrentTrip({ trip, point, target, isDriving, changes, onDrive }: Props) {
  const { isBusy, noShowFrom, move, arrive } = changes;
  const isComing = trip.status === "STARTED";
  const leftM = target ? distance(point, target) : 0;
  const wayM = useMemo(() => (target ? lengthOf(route(toSpot(point), toSpot(target))) : 0), [point, target]);
  const isThere = target !== null && leftM < THERE_M;
  const placeName = isComing ? "pick-up" : "drop-off";
  const asksPin = isComing && changes.asksPin;
  const pin = useRef<HTMLInputElement>(null);
  // The driver wants to start: the PIN, if the server asks for it, is the next thing to enter.
  const isStarting = useRef(false);
  useEffect(() => {
    if (!isStarting.current || !pin.current) return;
    isStarting.current = false;
    pin.current.focus({ preventScroll: true });
  });

  function start() {
    isStarting.current = true;
    void move(trip.id, "IN_PROGRESS");
  }

  return (
    <article className="trip" data-trip={trip.id}>
      <Progress trip={trip} words={STATUS_TO_DRIVER} waiting="Waiting" />
      <Party person={trip.rider} size="large" note="Your rider">
        {target && (
          <p className="eta">
            <small>
              {isThere ? "At" : `${inWords(leftM)} to`} the {placeName}
            </small>{" "}
            {isThere ? "you are there" : inTime(wayM / DEMO_SPEED)}
          </p>
        )}
      </Party>
      <Ends trip={trip} />
      <div className="actions">
        <Problems problems={changes.problemsOf(trip.id)} />
        <Steps
          trip={trip}
          isBusy={isBusy}
          pinForm={
            asksPin
              ? (isNext) => (
                  <PinField
                    name={trip.rider.firstName}
                    isBusy={isBusy}
                    isNext={isNext}
                    from={changes.pinFrom}
                    input={pin}
                    onPin={(entered) => void move(trip.id, "IN_PROGRESS", { pin: entered })}
                  />
                )
              : null
          }
          isThere={isThere}
          hasTarget={target !== null}
          isDriving={isDriving}
          onDrive={onDrive}
          onArrive={() => void arrive(trip.id)}
          onStart={start}
          onComplete={() => void move(trip.id, "COMPLETED")}
        />
        {isComing && (
          <div className="buttons">
            {trip.arrivedAt && (
              <WaitingButton
                type="button"
                className="quiet danger"
                text={`${trip.rider.firstName} did not come`}
                isBusy={isBusy}
                from={noShowFrom}
                onPress={() => void move(trip.id, "CANCELLED")}
              />
            )}
            <CancelForm
              key={trip.id}
              label="Give it back"
              confirm="Give it back"
              reasons={DRIVERS_REASONS}
              onCancel={(reason, cancelCode) => move(trip.id, "REQUESTED", { reason, cancelCode })}
            />
          </div>
        )}
      </div>
      <p className="quiet-text">
        {target ? "Your car drives ten times as fast as a real one." : `The rider gave no position for the ${placeName}.`}
      </p>
      <History trip={trip} />
    </article>
  );
}
