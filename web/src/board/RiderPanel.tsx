import { useCallback, useEffect, useRef, useState } from "react";

import type { Connection } from "./api/connection";
import { DriverLocation, MoveTrip, PickUpEta, type Trip } from "./api/operations";
import { userProblems } from "./api/problems";
import { CancelForm } from "./CancelForm";
import { CityMap, type Marker } from "./map/CityMap";
import { format, type GeoPoint } from "./map/geo";
import { nameOf } from "./map/places";
import { NO_END, pointOf, RequestForm, type End, type Which } from "./RequestForm";
import type { RolePanelProps } from "./PersonPanel";
import { Ends, History, OtherTrips, Progress } from "./TripParts";
import { useAnnounce } from "./ui/announcer";
import { Avatar } from "./ui/Avatar";
import { At, Remaining } from "./ui/Dated";
import { Notice } from "./ui/Notice";
import { IS_TOUCHED } from "./ui/pointing";
import { Problems } from "./ui/Problems";
import { useKeptFocus } from "./ui/useKeptFocus";
import { useHappenings } from "./useHappenings";
import { useProblems } from "./useProblems";
import { useTrips } from "./useTrips";
import { currentOf, headline, minutes, STATUS, toldToRider } from "./words";

const NAMES: Record<Which, string> = { pickUp: "pick-up", dropOff: "drop-off" };

/** What happens when a point of the map is chosen. */
function pickHint(next: Which, isMoved: boolean): string {
  const click = IS_TOUCHED ? "Tap the map" : "Click the map, or use the arrow keys and Enter,";
  if (!isMoved) return `${click} to choose the ${NAMES[next]}.`;
  const other = NAMES[next === "pickUp" ? "dropOff" : "pickUp"];
  return `${click} to move the ${NAMES[next]}. For the ${other}, ${IS_TOUCHED ? "tap" : "click"} its field first.`;
}

/** The panel in which a rider requests and follows a trip. */
export function RiderPanel({ connection, onNews }: RolePanelProps) {
  const { trips, problems, learned } = useTrips(connection);
  const [pickUp, setPickUp] = useState(NO_END);
  const [dropOff, setDropOff] = useState(NO_END);
  const [used, setUsed] = useState<Which>("pickUp");
  const announce = useAnnounce();
  const title = useRef<HTMLHeadingElement>(null);
  const keptFocus = useKeptFocus(title);
  const trip = currentOf(trips);
  const car = useDriverLocation(connection, trip);
  const eta = usePickUpEta(connection, trip, car);
  const status = trip?.status;

  useEffect(() => onNews(status ? STATUS[status] : ""), [status, onNews]);
  const say = useCallback((text: string) => announce(`Rider: ${text}`), [announce]);
  const [notice, dismiss] = useHappenings(trips, toldToRider, say);

  // The map fills the empty field. If both are empty or both are filled, it fills the one that was used last.
  const [isFrom, isTo] = [pickUp.address !== "", dropOff.address !== ""];
  const next: Which = isFrom === isTo ? used : isFrom ? "dropOff" : "pickUp";

  function change(which: Which, end: End) {
    (which === "pickUp" ? setPickUp : setDropOff)(end);
    setUsed(which);
  }

  function pick(point: GeoPoint) {
    const end: End = { address: nameOf(point), position: format(point) };
    change(next, end);
    say(`${NAMES[next]} is ${end.address}`);
  }

  const markers: Marker[] = [];
  const [from, to] = trip ? [trip.pickUp, trip.dropOff] : [pointOf(pickUp), pointOf(dropOff)];
  if (from) markers.push({ id: "pick-up", kind: "pick-up", point: from, title: "Pick-up" });
  if (to) markers.push({ id: "drop-off", kind: "drop-off", point: to, title: "Drop-off" });
  if (car && trip?.driver) {
    const title = `${trip.driver.firstName}'s car${car.isStale ? ", as it was last seen" : ""}`;
    markers.push({ id: "car", kind: "car", title, point: car.point, heading: car.heading });
  }

  return (
    <div {...keptFocus}>
      <CityMap
        label="Map of the rider"
        hint={
          trip
            ? trip.driver
              ? car?.isStale
                ? "Your driver's phone does not report: this is the car's last position."
                : "This is the position that your driver's phone reports."
              : "The car appears here when a driver has accepted."
            : pickHint(next, isFrom && isTo)
        }
        markers={markers}
        onPick={trip ? undefined : pick}
      />
      <div className="work">
        {notice && <Notice text={notice} onDismiss={dismiss} />}
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
            onChange={change}
            onPoint={setUsed}
            onRequested={(requested) => {
              learned(requested);
              setPickUp(NO_END);
              setDropOff(NO_END);
              setUsed("pickUp");
              title.current?.focus({ preventScroll: true });
            }}
          />
        )}
        {trip && (
          <article className="trip">
            <Progress status={trip.status} words={STATUS} />
            {trip.driver && (
              <p className="other">
                <Avatar person={trip.driver} size="large" />
                <span>
                  <strong>
                    {trip.driver.firstName} {trip.driver.lastName}
                  </strong>
                  <small>
                    {car?.isStale ? (
                      <>
                        Last seen at <At moment={car.recordedAt} />
                      </>
                    ) : (
                      "Your driver"
                    )}
                  </small>
                </span>
                {trip.status === "STARTED" && eta !== null && car !== null && !car.isStale && (
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
        <OtherTrips trips={(trips ?? []).filter((each) => each !== trip)} isRest={trip !== undefined} />
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
  recordedAt: string;
  isStale: boolean;
}

/** Shows the rider the position of the driver. */
function useDriverLocation(connection: Connection, trip: Trip | undefined): Seen | null {
  const isComing = trip?.status === "STARTED" || trip?.status === "IN_PROGRESS";
  const id = isComing ? trip.id : null;
  const driver = trip?.driver?.id;
  const [seen, setSeen] = useState<(Seen & { of: string; isGone: boolean }) | null>(null);
  useEffect(() => {
    if (id === null) return;
    // The subscription ends with the trip, or when the driver gives it back. An error at that moment is not shown.
    return connection.follow(
      DriverLocation,
      { tripId: id },
      ({ driverLocation }) => setSeen({ ...driverLocation, of: id }),
      () => undefined,
    );
  }, [connection, id, driver]);
  if (id === null) return null;
  if (seen?.of !== id) return trip?.driverLocation ?? null;
  return seen.isGone ? null : seen;
}

const ASK_EVERY_MS = 3_000;

/** The seconds until the driver arrives. No event has it, so it is queried again when the car moves. */
function usePickUpEta(connection: Connection, trip: Trip | undefined, car: Seen | null): number | null {
  const id = trip?.status === "STARTED" ? trip.id : null;
  const [eta, setEta] = useState<{ of: string; seconds: number | null } | null>(null);
  const askedAt = useRef(0);
  // There is no estimate for a stale position.
  const where = car && !car.isStale ? format(car.point) : "";
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
