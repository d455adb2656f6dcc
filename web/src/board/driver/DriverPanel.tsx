import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import type { CancelCode, TripStatus } from "../api/generated/graphql";
import { userProblems, type Problem } from "../api/problems";
import { MoveTrip, ReportArrival, type Trip } from "../api/trips";
import { useProblems } from "../api/useProblems";
import { lengthOf, route } from "../map/city";
import { CityMap, type Marker } from "../map/CityMap";
import { distance, inWords, toSpot } from "../map/geo";
import { DEMO_SPEED, drivesHere } from "../map/pace";
import { decode } from "../map/polyline";
import type { RolePanelProps } from "../person/PersonPanel";
import { CancelForm } from "../trip/CancelForm";
import { Party } from "../trip/Party";
import { RateForm } from "../trip/RateForm";
import { Ends, History, OtherTrips, Progress } from "../trip/TripParts";
import { useHappenings } from "../trip/useHappenings";
import { useToRate } from "../trip/useToRate";
import { useTrips } from "../trip/useTrips";
import { currentOf, DRIVERS_REASONS, GONE, inTime, STATUS_TO_DRIVER, toldToDriver } from "../trip/words";
import { useAnnounce } from "../ui/announcer";
import { Notice } from "../ui/Notice";
import { IS_TOUCHED } from "../ui/pointing";
import { Problems } from "../ui/Problems";
import { useKeptFocus } from "../ui/useKeptFocus";
import { DutySwitch } from "./DutySwitch";
import { Offers } from "./Offers";
import { NoShow, Steps } from "./Steps";
import { useCar } from "./useCar";
import { useOffers, type Listener, type Shown } from "./useOffers";

/** The panel in which a driver goes on duty, sees offers, accepts one, drives, and rates. */
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
  const { offers, truncated, paused, problems: poolProblems } = useOffers(connection, listener);
  const trip = currentOf(trips);
  // Without a trip the server takes positions only on duty.
  const reports = trip !== undefined || (offers !== null && (paused === null || paused === "ON_TRIP"));
  const { car, way, problems: carProblems, moveTo, driveTo, stop } = useCar(connection, panelId, reports);
  const [problems, setProblems] = useProblems(connection);
  const [problemsOf, setProblemsOf] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  // How long a driver waits before a no-show; the server says it to whoever is too early.
  const [noShowWaitMs, setNoShowWaitMs] = useState<number | null>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const keptFocus = useKeptFocus(title);
  const [toRate, putOff] = useToRate(trip ? null : trips);
  const open = (offers ?? []).filter(({ offer, gone }) => !(gone !== null && taking.current.has(offer.id)));
  // Remove the errors of trips that are no longer shown.
  const isStill = problemsOf === trip?.id || open.some(({ offer, gone }) => offer.id === problemsOf && gone === null);
  const waiting = open.filter(({ gone }) => gone === null).length;
  const isOnDuty = paused !== "OFF_DUTY";

  useEffect(() => drivesHere(person.id), [person.id]);
  useEffect(() => {
    const offered = waiting === 0 ? "" : waiting === 1 ? "1 offer" : `${waiting} offers`;
    onNews(trip ? "On a trip" : isOnDuty ? offered : "Off duty");
  }, [trip, waiting, isOnDuty, onNews]);

  // The trip was cancelled, by anyone: stop driving.
  const tripId = trip?.id;
  const hadTrip = useRef(tripId);
  useEffect(() => {
    if (hadTrip.current !== undefined && tripId === undefined) stop();
    hadTrip.current = tripId;
  }, [tripId, stop]);
  const say = useCallback((text: string) => announce(`Driver: ${text}`), [announce]);
  const [notice, dismiss] = useHappenings(trips, toldToDriver, say);

  /** Runs a change of a trip; returns the trip, or null if it failed. */
  async function change(
    id: string,
    ask: () => Promise<{ moved: Trip | null; found: Problem[] }>,
  ): Promise<Trip | null> {
    setIsBusy(true);
    const { moved, found } = await ask();
    setIsBusy(false);
    const tooEarly = found.find(({ code, retryAfterS }) => code === "TOO_EARLY" && retryAfterS !== undefined);
    if (tooEarly && trip?.arrivedAt) {
      // From now on the button itself says when it may be pressed.
      setNoShowWaitMs(Date.now() + tooEarly.retryAfterS! * 1000 - Date.parse(trip.arrivedAt));
      announce(`Driver: ${tooEarly.text}`);
    }
    setProblems(found.filter((each) => each !== tooEarly));
    setProblemsOf(id);
    if (moved) learned(moved);
    return moved;
  }

  async function move(id: string, status: TripStatus, reason: string | null = null, cancelCode: CancelCode | null = null) {
    if (status === "STARTED") taking.current.set(id, null);
    const moved = await change(id, async () => {
      const input = { id, status, reason, cancelCode };
      const { data, problems: failed } = await connection.ask(MoveTrip, { input });
      return { moved: data?.updateTrip.trip ?? null, found: data ? userProblems(data.updateTrip.errors) : failed };
    });
    if (moved) {
      stop();
      title.current?.focus({ preventScroll: true });
    } else {
      const gone = taking.current.get(id);
      if (gone) announce(gone);
      taking.current.delete(id);
    }
  }

  function arrive(id: string) {
    return change(id, async () => {
      const { data, problems: failed } = await connection.ask(ReportArrival, { id });
      return { moved: data?.reportArrival.trip ?? null, found: data ? userProblems(data.reportArrival.errors) : failed };
    });
  }

  const markers: Marker[] = trip ? ends(trip) : open.flatMap(offerMarker);
  markers.push({ id: "car", kind: "car", point: car.point, heading: car.heading, title: "Your car" });
  const target = trip?.status === "STARTED" ? trip.pickUp : trip?.status === "IN_PROGRESS" ? trip.dropOff : null;
  const leftM = target ? distance(car.point, target) : 0;
  const isThere = target !== null && leftM < 30;
  const placeName = trip?.status === "STARTED" ? "pick-up" : "drop-off";
  const line = trip?.route ? decode(trip.route.encodedPolyline) : undefined;
  const isStraight = trip?.route?.estimated ?? true;

  function drive() {
    if (way) stop();
    else if (target) driveTo(target, trip?.status === "IN_PROGRESS" && !isStraight ? line : undefined);
  }

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
        route={line && { points: line, isEstimated: isStraight }}
      />
      <div className="work">
        {notice && <Notice text={notice} onDismiss={dismiss} />}
        {toRate && (
          <RateForm
            key={toRate.id}
            connection={connection}
            trip={toRate}
            name={toRate.rider.firstName}
            onRated={learned}
            onDismiss={putOff}
          />
        )}
        <div className="heading">
          <h3 ref={title} tabIndex={-1}>
            {trip ? `${trip.status === "STARTED" ? "Pick up" : "Drive"} ${trip.rider.firstName}` : "Offers"}
          </h3>
          {offers !== null && paused !== "NOT_APPROVED" && (
            <DutySwitch connection={connection} isOnDuty={isOnDuty} hasTrip={trip !== undefined} />
          )}
        </div>
        <Problems problems={[...carProblems, ...tripProblems, ...poolProblems, ...(trip || !isStill ? [] : problems)]} />
        {trip ? (
          <article className="trip">
            <Progress trip={trip} words={STATUS_TO_DRIVER} waiting="Waiting" />
            <Party person={trip.rider} size="large" note="Your rider">
              {target && (
                <p className="eta">
                  <small>To the {placeName}</small>{" "}
                  {isThere ? "you are there" : `${inWords(leftM)}, ${inTime(lengthOf(route(toSpot(car.point), toSpot(target))) / DEMO_SPEED)}`}
                </p>
              )}
            </Party>
            <Ends trip={trip} />
            <div className="actions">
              <Problems problems={isStill ? problems : []} />
              <Steps
                trip={trip}
                isBusy={isBusy}
                isThere={isThere}
                hasTarget={target !== null}
                isDriving={way !== null}
                onDrive={drive}
                onArrive={() => void arrive(trip.id)}
                onStart={() => void move(trip.id, "IN_PROGRESS")}
                onComplete={() => void move(trip.id, "COMPLETED")}
              />
              {trip.status === "STARTED" && (
                <div className="buttons">
                  {trip.arrivedAt && (
                    <NoShow
                      name={trip.rider.firstName}
                      isBusy={isBusy}
                      at={noShowWaitMs === null ? null : Date.parse(trip.arrivedAt) + noShowWaitMs}
                      onNoShow={() => void move(trip.id, "CANCELLED")}
                    />
                  )}
                  <CancelForm
                    key={trip.id}
                    label="Give it back"
                    confirm="Give it back"
                    reasons={DRIVERS_REASONS}
                    onCancel={(reason, code) => move(trip.id, "REQUESTED", reason, code)}
                  />
                </div>
              )}
            </div>
            <p className="quiet-text">
              {target ? "Drives ten times as fast as in real life." : `The rider gave no position of the ${placeName}.`}
            </p>
            <History trip={trip} />
          </article>
        ) : (
          <Offers
            offers={offers === null ? null : open}
            truncated={truncated}
            paused={paused}
            isBusy={isBusy}
            metresTo={(point) => distance(car.point, point)}
            onAccept={(id) => void move(id, "STARTED")}
          />
        )}
        <OtherTrips
          connection={connection}
          trips={(trips ?? []).filter((each) => each !== trip)}
          isRest={trip !== undefined}
          partyOf={({ rider }) => rider}
          onRated={learned}
        />
      </div>
    </div>
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
