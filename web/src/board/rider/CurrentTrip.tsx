import "./CurrentTrip.css";

import { useState } from "react";
import { MoveTrip, userProblems } from "@taxirank/client";
import type { Car as SeenCar } from "@taxirank/client/react";

import type { Trip, Vehicle } from "../api/types";
import type { Connection } from "../../api/connection";
import { useProblems } from "../../api/useProblems";
import { CancelForm } from "../trip/CancelForm";
import { Party } from "../trip/Party";
import { Ends, History, Progress } from "../trip/TripParts";
import { inTime, RIDERS_REASONS, STATUS } from "../trip/words";
import { At, Countdown, Elapsed, Remaining } from "../../ui/Dated";
import { Problems } from "../../ui/Problems";
import { useTimeLeft } from "./useTimeLeft";

interface Props {
  connection: Connection;
  trip: Trip;
  car: SeenCar | null;
  onCancelled: (trip: Trip) => void;
}

/** The rider's trip under way, or the request that waits for a driver. */
export function CurrentTrip({ connection, trip, car, onCancelled }: Props) {
  const { driver } = trip;
  const { toPickUpS, toDropOffS } = useTimeLeft(connection, trip, car);
  const isComing = trip.status === "STARTED";
  const seconds = !isComing ? toDropOffS : trip.arrivedAt ? null : toPickUpS;
  return (
    <article className="trip" data-trip={trip.id}>
      <Progress trip={trip} words={STATUS} waiting="Car is here" />
      {driver && (
        <Party
          person={driver}
          size="large"
          note={
            car?.isStale ? (
              <>
                Last seen on <At moment={car.recordedAt} />
              </>
            ) : trip.vehicle ? (
              <Car vehicle={trip.vehicle} />
            ) : (
              "Your driver"
            )
          }
        >
          {seconds !== null && (
            <p className="eta">
              <small>{isComing ? "Here in" : "There in"}</small> {inTime(seconds)}
            </p>
          )}
        </Party>
      )}
      {isComing && trip.arrivedAt && driver && (
        <p className="here">
          {driver.firstName} waits at the pick-up: <Elapsed since={trip.arrivedAt} />
          {trip.noShowAt && (
            <small>
              <Countdown to={trip.noShowAt} before={`${driver.firstName} may leave in`} after={`${driver.firstName} may leave now`} />
            </small>
          )}
        </p>
      )}
      {isComing && trip.pickUpPin && driver && (
        <p className="pin">
          <span>
            Your PIN<small>Tell it to {driver.firstName} when you get in</small>
          </span>
          <strong>{trip.pickUpPin}</strong>
        </p>
      )}
      {trip.expiresAt && (
        <p className="waiting">
          Drivers nearby see your request. It expires in <Remaining until={trip.expiresAt} />.
        </p>
      )}
      <Ends trip={trip} dropOffIn={isComing && toDropOffS !== null ? `in ${inTime(toDropOffS)}` : null} />
      <Cancelling key={trip.id} connection={connection} trip={trip} isSilent={!car || car.isStale} onCancelled={onCancelled} />
      <History trip={trip} />
    </article>
  );
}

/** Such as `Blue Skoda Octavia, plate AB-12-CD, 4 seats`. */
function Car({ vehicle: { make, model, color, licensePlate, seats } }: { vehicle: Vehicle }) {
  return (
    <>
      {color} {make} {model} · <span className="plate">{licensePlate}</span> ·{" "}
      <span className="whole">
        {seats} seat{seats === 1 ? "" : "s"}
      </span>
    </>
  );
}

interface CancellingProps extends Pick<Props, "connection" | "trip" | "onCancelled"> {
  /** No position of the driver's is known, or only an old one. */
  isSilent: boolean;
}

/** The rider may cancel until they are in the car; then only if the driver has been silent for long. */
function Cancelling({ connection, trip, isSilent, onCancelled }: CancellingProps) {
  const [problems, setProblems] = useProblems(connection);
  const [from, setFrom] = useState<number | null>(null);
  const isInTheCar = trip.status === "IN_PROGRESS";

  async function cancel(reason: string | null, cancelCode: Parameters<typeof send>[1]) {
    const { data, problems: failed } = await send(reason, cancelCode);
    const found = data === null ? failed : userProblems(data.updateTrip.errors);
    const tooEarly = found.find(({ code }) => code === "TOO_EARLY");
    setFrom(tooEarly?.retryAfterS === undefined ? null : Date.now() + tooEarly.retryAfterS * 1000);
    setProblems(found);
    if (data?.updateTrip.trip) onCancelled(data.updateTrip.trip);
  }

  function send(reason: string | null, cancelCode: (typeof RIDERS_REASONS)[number][0] | null) {
    return connection.ask(MoveTrip, { input: { id: trip.id, status: "CANCELLED", reason, cancelCode } });
  }

  if (isInTheCar && !isSilent) return null;
  return (
    <div className="actions">
      <Problems problems={problems} />
      <CancelForm
        label={isInTheCar ? "I left the car: the driver does not answer" : "Cancel the trip"}
        confirm={isInTheCar ? "End the trip" : "Cancel it"}
        from={isInTheCar ? from : null}
        reasons={RIDERS_REASONS}
        onCancel={cancel}
      />
    </div>
  );
}
