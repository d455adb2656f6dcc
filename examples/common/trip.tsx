/** A trip as its rider and its driver see it, and the lists. Nothing here asks the server. */
import type { ListTripsQuery, TripFieldsFragment, UpdateTripInput } from "@taxirank/client";
import type { Car, OffersView } from "@taxirank/client/react";
import { useState } from "react";

import { PLACES, type Point } from "./places";
import type { SimulatedCar } from "./useSimulatedCar";
import { farAway, outcome, whyPaused, whyWithdrawn } from "./words";

type Trip = TripFieldsFragment;
export type Move = (input: UpdateTripInput) => void;

/** Where the car of a trip has to go. */
const targetOf = (trip: Trip) => (trip.status === "STARTED" ? trip.pickUp : trip.dropOff);

export function RiderTrip({ trip, car, isBusy, move }: { trip: Trip; car: Car | null; isBusy: boolean; move: Move }) {
  const { id, vehicle, pickUpPin } = trip;
  const target = targetOf(trip);
  return (
    <>
      <Ends trip={trip} />
      {vehicle && (
        <p>
          {vehicle.color} {vehicle.make} {vehicle.model}, {vehicle.licensePlate}
        </p>
      )}
      {pickUpPin && (
        <p>
          Your PIN for the driver: <strong className="pin">{pickUpPin}</strong>
        </p>
      )}
      <Sketch trip={trip} car={car?.point ?? null} isOld={car?.isStale ?? false} />
      {car && target && (
        <p>
          The car is {farAway(car.point, target)}
          {car.isStale && ", or was a while ago"}
        </p>
      )}
      {trip.status !== "IN_PROGRESS" && (
        <button disabled={isBusy} onClick={() => move({ id, status: "CANCELLED" })}>
          Cancel the trip
        </button>
      )}
    </>
  );
}

interface DriverTripProps {
  trip: Trip;
  car: SimulatedCar;
  isBusy: boolean;
  /** The server has asked for the rider's PIN. */
  needsPin: boolean;
  move: Move;
}

export function DriverTrip({ trip, car, isBusy, needsPin, move }: DriverTripProps) {
  const [pin, setPin] = useState("");
  const { id, status } = trip;
  const target = targetOf(trip);
  const isComing = status === "STARTED";
  return (
    <>
      <Ends trip={trip} />
      <Sketch trip={trip} car={car.point} />
      {target && (
        <button disabled={car.isDriving} onClick={() => car.driveTo(target)}>
          {isComing ? "Drive to the pick-up" : "Drive to the drop-off"}
        </button>
      )}
      {isComing && needsPin && (
        <label className="field">
          The rider’s PIN
          <input inputMode="numeric" autoComplete="off" value={pin} onChange={(event) => setPin(event.target.value)} />
        </label>
      )}
      {isComing ? (
        <>
          <button className="primary" disabled={isBusy} onClick={() => move({ id, status: "IN_PROGRESS", ...(pin && { pin }) })}>
            {trip.rider?.firstName ?? "The rider"} is in the car
          </button>
          <button className="quiet" disabled={isBusy} onClick={() => move({ id, status: "REQUESTED" })}>
            Give it back
          </button>
        </>
      ) : (
        <button className="primary" disabled={isBusy} onClick={() => move({ id, status: "COMPLETED" })}>
          Complete the trip
        </button>
      )}
    </>
  );
}

export function OfferList({ offers, paused, isBusy, move }: Pick<OffersView, "offers" | "paused"> & { isBusy: boolean; move: Move }) {
  if (offers === null) return <p>Loading…</p>;
  if (offers.length === 0) return <p>{paused ? whyPaused(paused) : "Nobody nearby is asking for a ride."}</p>;
  return (
    <ul>
      {offers.map(({ offer: { id, rider, pickUpAddress, dropOffAddress }, withdrawn }) => (
        <li key={id}>
          <span>
            {rider?.firstName}: {pickUpAddress} – {dropOffAddress}
          </span>
          {withdrawn ? (
            <small>{whyWithdrawn(withdrawn)}</small>
          ) : (
            <button disabled={isBusy} onClick={() => move({ id, status: "STARTED" })}>
              Accept
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

export function TripList({ trips }: { trips: ListTripsQuery["trips"] }) {
  if (trips.edges.length === 0) return <p>None yet.</p>;
  return (
    <ul>
      {trips.edges.map(({ node: { id, pickUpAddress, dropOffAddress, status } }) => (
        <li key={id}>
          {pickUpAddress} – {dropOffAddress} <small>{outcome(status)}</small>
        </li>
      ))}
    </ul>
  );
}

function Ends({ trip }: { trip: Trip }) {
  return (
    <p>
      {trip.pickUpAddress} – {trip.dropOffAddress}
    </p>
  );
}

const [WEST, EAST, SOUTH, NORTH] = [4.875, 4.922, 52.354, 52.383];

/** The city without its streets: the ends of a trip, and the car. */
function Sketch({ trip, car, isOld = false }: { trip: Trip; car: Point | null; isOld?: boolean }) {
  const { pickUp, dropOff } = trip;
  const at = ({ lat, lng }: Point) => ({
    cx: Math.round(((lng - WEST) / (EAST - WEST)) * 320),
    cy: Math.round(((NORTH - lat) / (NORTH - SOUTH)) * 200),
  });
  return (
    <svg className="sketch" viewBox="0 0 320 200" role="img" aria-label={car ? "The city, with the car" : "The city"}>
      {PLACES.map(({ name, point }) => (
        <text key={name} x={at(point).cx} y={at(point).cy + 18} textAnchor="middle">
          {name}
        </text>
      ))}
      {pickUp && <circle className="pick-up" r="7" {...at(pickUp)} />}
      {dropOff && <circle className="drop-off" r="7" {...at(dropOff)} />}
      {car && <circle className={isOld ? "car old" : "car"} r="9" {...at(car)} />}
    </svg>
  );
}
