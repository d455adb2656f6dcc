import { useEffect, useRef, useState } from "react";

import type { Connection } from "./api/connection";
import { DriverLocation, MoveTrip, PickUpEta, type Trip } from "./api/operations";
import { userProblems } from "./api/problems";
import { CancelForm } from "./CancelForm";
import { CityMap, type Marker } from "./map/CityMap";
import { format, type GeoPoint } from "./map/geo";
import { nameOf } from "./map/places";
import { NO_END, pointOf, RequestForm, type End } from "./RequestForm";
import type { DeskProps } from "./SeatPanel";
import { Ends, History, OtherTrips, Progress } from "./TripParts";
import { useAnnounce } from "./ui/announcer";
import { Avatar } from "./ui/Avatar";
import { Remaining } from "./ui/Dated";
import { Problems } from "./ui/Problems";
import { useProblems } from "./useProblems";
import { useTrips } from "./useTrips";
import { currentOf, headline, minutes, STATUS } from "./words";

/** Where a rider requests a trip and follows it. */
export function RiderDesk({ connection, onNews }: DeskProps) {
  const { trips, problems, learned } = useTrips(connection);
  const [pickUp, setPickUp] = useState(NO_END);
  const [dropOff, setDropOff] = useState(NO_END);
  const announce = useAnnounce();
  const title = useRef<HTMLHeadingElement>(null);
  const trip = currentOf(trips);
  const car = useDriverLocation(connection, trip);
  const eta = usePickUpEta(connection, trip, car);
  const status = trip?.status;

  useEffect(() => onNews(status ? STATUS[status] : ""), [status, onNews]);
  useStatusAnnouncements(trips, announce);

  function pick(point: GeoPoint) {
    const end: End = { address: nameOf(point), position: format(point) };
    const isFirst = pickUp.address === "" || dropOff.address !== "";
    if (isFirst) {
      setPickUp(end);
      setDropOff(NO_END);
    } else setDropOff(end);
    announce(`Rider: ${isFirst ? "pick-up" : "drop-off"} is ${end.address}`);
  }

  const markers: Marker[] = [];
  const [from, to] = trip ? [trip.pickUp, trip.dropOff] : [pointOf(pickUp), pointOf(dropOff)];
  if (from) markers.push({ id: "pick-up", kind: "pick-up", point: from, title: "Pick-up" });
  if (to) markers.push({ id: "drop-off", kind: "drop-off", point: to, title: "Drop-off" });
  if (car && trip?.driver) {
    markers.push({ id: "car", kind: "car", title: `${trip.driver.firstName}'s car`, ...car });
  }
  const next = pickUp.address === "" || dropOff.address !== "" ? "pick-up" : "drop-off";

  return (
    <div className="desk">
      <CityMap
        label="Map of the rider"
        hint={
          trip
            ? trip.driver
              ? "The car is where your driver's phone says it is."
              : "The car appears here as soon as a driver has accepted."
            : `Click the map to choose the ${next}. With the keyboard: arrow keys move the cross, Enter chooses.`
        }
        markers={markers}
        onPick={trip ? undefined : pick}
      />
      <div className="work">
        <h3 ref={title} tabIndex={-1}>
          {trip ? headline(trip) : "Where to?"}
        </h3>
        <Problems problems={problems} />
        {trips === null && problems.length === 0 && <p className="quiet-text">Loading your trips…</p>}
        {trips !== null && !trip && (
          <RequestForm
            connection={connection}
            pickUp={pickUp}
            dropOff={dropOff}
            onChange={(which, end) => (which === "pickUp" ? setPickUp(end) : setDropOff(end))}
            onRequested={(requested) => {
              learned(requested);
              setPickUp(NO_END);
              setDropOff(NO_END);
              title.current?.focus({ preventScroll: true });
            }}
          />
        )}
        {trip && (
          <article className="trip">
            <Progress status={trip.status} />
            {trip.driver && (
              <p className="other">
                <Avatar person={trip.driver} size="large" />
                <span>
                  <strong>
                    {trip.driver.firstName} {trip.driver.lastName}
                  </strong>
                  <small>Your driver</small>
                </span>
                {trip.status === "STARTED" && eta !== null && (
                  <span className="eta">
                    <small>Here in</small>
                    {minutes(eta)}
                  </span>
                )}
              </p>
            )}
            {trip.expiresAt && (
              <p className="waiting">
                Drivers nearby see your request. It lapses in <Remaining until={trip.expiresAt} />.
              </p>
            )}
            <Ends trip={trip} />
            <History trip={trip} />
            {trip.status !== "IN_PROGRESS" && (
              <CancelTrip
                key={trip.id}
                connection={connection}
                trip={trip}
                onCancelled={(cancelled) => {
                  learned(cancelled);
                  title.current?.focus({ preventScroll: true });
                }}
              />
            )}
          </article>
        )}
        <OtherTrips trips={(trips ?? []).filter((each) => each !== trip)} />
      </div>
    </div>
  );
}

interface CancelProps {
  connection: Connection;
  trip: Trip;
  onCancelled: (trip: Trip) => void;
}

function CancelTrip({ connection, trip, onCancelled }: CancelProps) {
  const [problems, setProblems] = useProblems(connection);

  async function cancel(reason: string) {
    const { data, problems: failed } = await connection.ask(MoveTrip, {
      input: { id: trip.id, status: "CANCELLED", reason: reason || null },
    });
    setProblems(data === null ? failed : userProblems(data.updateTrip.errors));
    if (data?.updateTrip.trip) onCancelled(data.updateTrip.trip);
  }

  return (
    <>
      <Problems problems={problems} />
      <CancelForm onCancel={cancel} />
    </>
  );
}

interface Seen {
  point: GeoPoint;
  heading: number | null;
}

/** Where the driver of a trip is, as its rider is told. */
function useDriverLocation(connection: Connection, trip: Trip | undefined): Seen | null {
  const isComing = trip?.status === "STARTED" || trip?.status === "IN_PROGRESS";
  const id = isComing ? trip.id : null;
  const driver = trip?.driver?.id;
  const [seen, setSeen] = useState<(Seen & { of: string }) | null>(null);
  useEffect(() => {
    if (id === null) return;
    // It ends with the trip, or when the driver gives it back: what it says then is no fault.
    return connection.follow(
      DriverLocation,
      { tripId: id },
      ({ driverLocation }) => setSeen({ ...driverLocation, of: id }),
      () => undefined,
    );
  }, [connection, id, driver]);
  if (id === null) return null;
  return seen?.of === id ? seen : (trip?.driverLocation ?? null);
}

const ASK_EVERY_MS = 3_000;

/** The seconds until the driver is there. No event tells of it, so it is asked for as the car moves. */
function usePickUpEta(connection: Connection, trip: Trip | undefined, car: Seen | null): number | null {
  const id = trip?.status === "STARTED" ? trip.id : null;
  const [eta, setEta] = useState<{ of: string; seconds: number | null } | null>(null);
  const askedAt = useRef(0);
  const where = car ? format(car.point) : "";
  useEffect(() => {
    if (id === null || where === "") return;
    const wait = Math.max(0, askedAt.current + ASK_EVERY_MS - Date.now());
    const asking = setTimeout(() => {
      askedAt.current = Date.now();
      void connection.ask(PickUpEta, { id }).then(({ data }) => {
        if (data?.trip) setEta({ of: id, seconds: data.trip.pickUpEta });
      });
    }, wait);
    return () => clearTimeout(asking);
  }, [connection, id, where]);
  return id !== null && eta?.of === id ? eta.seconds : (trip?.pickUpEta ?? null);
}

/** Tells a screen reader of each change of a trip that was on the screen before. */
function useStatusAnnouncements(trips: Trip[] | null, announce: (text: string) => void) {
  const before = useRef(new Map<string, Trip["status"]>());
  useEffect(() => {
    for (const trip of trips ?? []) {
      const known = before.current.get(trip.id);
      if (known !== undefined && known !== trip.status) announce(`Rider: ${headline(trip)}`);
      before.current.set(trip.id, trip.status);
    }
  }, [trips, announce]);
}
