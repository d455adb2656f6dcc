import "./DriverPanel.css";

import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import type { TripStatus } from "./api/generated/graphql";
import { MoveTrip, type Trip } from "./api/operations";
import { userProblems } from "./api/problems";
import { CityMap, type Marker } from "./map/CityMap";
import { distance, inWords } from "./map/geo";
import type { RolePanelProps } from "./PersonPanel";
import { Ends, History, OtherTrips, Progress } from "./TripParts";
import { useAnnounce } from "./ui/announcer";
import { Avatar } from "./ui/Avatar";
import { Remaining } from "./ui/Dated";
import { Notice } from "./ui/Notice";
import { IS_TOUCHED } from "./ui/pointing";
import { Problems } from "./ui/Problems";
import { useKeptFocus } from "./ui/useKeptFocus";
import { useCar } from "./useCar";
import { useHappenings } from "./useHappenings";
import { useOffers, type Listener, type Shown } from "./useOffers";
import { useProblems } from "./useProblems";
import { useTrips } from "./useTrips";
import { currentOf, GONE, STATUS_TO_DRIVER, toldToDriver } from "./words";

/** The panel in which a driver sees offers, accepts one, and drives. */
export function DriverPanel({ connection, person, panelId, onNews }: RolePanelProps) {
  const { trips: known, problems: tripProblems, learned } = useTrips(connection);
  // A trip that was given back no longer belongs to this driver.
  const trips = known?.filter(({ driver }) => driver?.id === person.id) ?? null;
  const announce = useAnnounce();
  // Trips that this driver has accepted: no message says that they left the pool. The value is the message to show if
  // another driver was faster. A trip that was given back is not offered again.
  const taking = useRef(new Map<string, string | null>());
  const listener = useMemo<Listener>(
    () => ({
      offered: ({ rider, pickUpAddress, dropOffAddress }) =>
        announce(`Driver: ${rider.firstName} asks for a ride from ${pickUpAddress} to ${dropOffAddress}`),
      withdrawn: (id, reason) => {
        const text = `Driver: an offer was withdrawn. ${GONE[reason]}`;
        if (taking.current.has(id)) taking.current.set(id, text);
        else announce(text);
      },
    }),
    [announce],
  );
  const { offers, truncated, problems: poolProblems } = useOffers(connection, listener);
  const { car, way, problems: carProblems, moveTo, driveTo, stop } = useCar(connection, panelId);
  const [problems, setProblems] = useProblems(connection);
  const [problemsOf, setProblemsOf] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const title = useRef<HTMLHeadingElement>(null);
  const keptFocus = useKeptFocus(title);
  const trip = currentOf(trips);
  const open = (offers ?? []).filter(({ offer, gone }) => !(gone !== null && taking.current.has(offer.id)));
  // Remove the errors of trips that are no longer shown.
  const isStill = problemsOf === trip?.id || open.some(({ offer, gone }) => offer.id === problemsOf && gone === null);
  const waiting = open.filter(({ gone }) => gone === null).length;

  useEffect(() => {
    const offered = waiting === 0 ? "" : waiting === 1 ? "1 offer" : `${waiting} offers`;
    onNews(trip ? "On a trip" : offered);
  }, [trip, waiting, onNews]);

  // The trip was cancelled, by anyone: stop driving.
  const tripId = trip?.id;
  const hadTrip = useRef(tripId);
  useEffect(() => {
    if (hadTrip.current !== undefined && tripId === undefined) stop();
    hadTrip.current = tripId;
  }, [tripId, stop]);
  const say = useCallback((text: string) => announce(`Driver: ${text}`), [announce]);
  const [notice, dismiss] = useHappenings(trips, toldToDriver, say);

  async function move(id: string, status: TripStatus) {
    setIsBusy(true);
    if (status === "STARTED") taking.current.set(id, null);
    const { data, problems: failed } = await connection.ask(MoveTrip, { input: { id, status } });
    setIsBusy(false);
    setProblems(data === null ? failed : userProblems(data.updateTrip.errors));
    setProblemsOf(id);
    const moved = data?.updateTrip.trip;
    if (!moved) {
      const gone = taking.current.get(id);
      if (gone) announce(gone);
      taking.current.delete(id);
      return;
    }
    stop();
    learned(moved);
    title.current?.focus({ preventScroll: true });
  }

  const markers: Marker[] = trip ? ends(trip) : open.flatMap(offerMarker);
  markers.push({ id: "car", kind: "car", point: car.point, heading: car.heading, title: "Your car" });
  const target = trip?.status === "STARTED" ? trip.pickUp : trip?.status === "IN_PROGRESS" ? trip.dropOff : null;
  const isThere = target != null && distance(car.point, target) < 30;
  const canDrive = target != null && !isThere;
  const placeName = trip?.status === "STARTED" ? "pick-up" : "drop-off";

  return (
    <div {...keptFocus}>
      <CityMap
        label="Map of the driver"
        hint={
          IS_TOUCHED
            ? "Drag your car, or tap where it should be."
            : "Drag your car, click where it should be, or steer it with the arrow keys."
        }
        markers={markers}
        onPick={(point) => moveTo(point)}
        onMoveCar={moveTo}
        way={way ?? undefined}
      />
      <div className="work">
        {notice && <Notice text={notice} onDismiss={dismiss} />}
        <h3 ref={title} tabIndex={-1}>
          {trip ? `${trip.status === "STARTED" ? "Pick up" : "Drive"} ${trip.rider.firstName}` : "Offers"}
        </h3>
        <Problems problems={[...carProblems, ...tripProblems, ...poolProblems, ...(isStill ? problems : [])]} />
        {trip ? (
          <article className="trip">
            <Progress status={trip.status} words={STATUS_TO_DRIVER} />
            <p className="other">
              <Avatar person={trip.rider} size="large" />
              <span>
                <strong>
                  {trip.rider.firstName} {trip.rider.lastName}
                </strong>
                <small>Your rider</small>
              </span>
              {target && (
                <span className="eta">
                  <small>To the {placeName}</small>
                  {isThere ? "you are there" : inWords(distance(car.point, target))}
                </span>
              )}
            </p>
            <Ends trip={trip} />
            {/* Each button has a fixed place: a button that moves under a finger is pressed by mistake. */}
            <div className="steps">
              <button
                type="button"
                className={canDrive ? "primary" : ""}
                aria-disabled={!canDrive}
                onClick={() => {
                  if (canDrive) void (way ? stop() : driveTo(target));
                }}
                aria-describedby={`${panelId}-pace`}
              >
                {isThere ? `You are at the ${placeName}` : way ? "Stop" : `Drive to the ${placeName}`}
              </button>
              <button
                type="button"
                className={canDrive || trip.status !== "STARTED" ? "" : "primary"}
                disabled={isBusy || trip.status !== "STARTED"}
                onClick={() => void move(trip.id, "IN_PROGRESS")}
              >
                {trip.rider.firstName} is in the car
              </button>
              <button
                type="button"
                className={canDrive || trip.status !== "IN_PROGRESS" ? "" : "primary"}
                disabled={isBusy || trip.status !== "IN_PROGRESS"}
                onClick={() => void move(trip.id, "COMPLETED")}
              >
                Complete the trip
              </button>
              {trip.status === "STARTED" && (
                <button
                  type="button"
                  className="quiet danger"
                  disabled={isBusy}
                  onClick={() => void move(trip.id, "REQUESTED")}
                >
                  Give it back
                </button>
              )}
            </div>
            <p className="quiet-text" id={`${panelId}-pace`}>
              {target ? "Drives ten times as fast as in real life." : `The rider gave no position of the ${placeName}.`}
            </p>
            <History trip={trip} />
          </article>
        ) : (
          <Offers
            offers={offers === null ? null : open}
            truncated={truncated}
            isBusy={isBusy}
            metresTo={(point) => distance(car.point, point)}
            onAccept={(id) => void move(id, "STARTED")}
          />
        )}
        <OtherTrips trips={(trips ?? []).filter((each) => each !== trip)} isRest={trip !== undefined} />
      </div>
    </div>
  );
}

interface OffersProps {
  offers: readonly Shown[] | null;
  truncated: boolean;
  isBusy: boolean;
  metresTo: (point: { lat: number; lng: number }) => number;
  onAccept: (id: string) => void;
}

function Offers({ offers, truncated, isBusy, metresTo, onAccept }: OffersProps) {
  if (offers === null) return <p className="quiet-text">Looking for requests…</p>;
  if (offers.length === 0) {
    return (
      <p className="empty">
        Nobody nearby is asking for a ride. A request appears here the moment it is made.
      </p>
    );
  }
  return (
    <ul className="offers" aria-label="Offers">
      {offers.map(({ offer, gone }) => (
        <li key={offer.id} className={gone ? "offer gone" : "offer"}>
          <p className="other">
            <Avatar person={offer.rider} />
            <span>
              <strong>
                {offer.rider.firstName} {offer.rider.lastName}
              </strong>
              <small>{offer.pickUp ? `${inWords(metresTo(offer.pickUp))} from you` : "no position given"}</small>
            </span>
            {gone === null && offer.expiresAt && <Remaining until={offer.expiresAt} />}
          </p>
          <Ends trip={offer} />
          {gone === null ? (
            <button type="button" className="primary" disabled={isBusy} onClick={() => onAccept(offer.id)}>
              Accept<span className="visually-hidden"> the trip of {offer.rider.firstName}</span>
            </button>
          ) : (
            <p className="why">{GONE[gone]}</p>
          )}
        </li>
      ))}
      {truncated && <li className="quiet-text">There are more. These are the nearest.</li>}
    </ul>
  );
}

function ends(trip: Trip): Marker[] {
  return [
    ...(trip.pickUp ? [{ id: "pick-up", kind: "pick-up" as const, point: trip.pickUp, title: "Pick-up" }] : []),
    ...(trip.dropOff ? [{ id: "drop-off", kind: "drop-off" as const, point: trip.dropOff, title: "Drop-off" }] : []),
  ];
}

function offerMarker({ offer, gone }: Shown): Marker[] {
  if (gone !== null || offer.pickUp === null) return [];
  return [{ id: offer.id, kind: "request", point: offer.pickUp, title: `${offer.rider.firstName} waits here` }];
}
