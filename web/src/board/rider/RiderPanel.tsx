import { activeTrip } from "@taxirank/client";
import { useCar, useMyTrips } from "@taxirank/client/react";
import { useCallback, useEffect, useRef, useState } from "react";

import { DEMO_RIDE } from "../demo/demoPeople";
import { BoardMap } from "../map/BoardMap";
import { format, type GeoPoint } from "../../map/geo";
import { BEGINNING } from "../../map/MapView";
import type { Marker } from "../../map/markers";
import { nameOf } from "../../map/places";
import { decode } from "../../map/polyline";
import type { RolePanelProps } from "../person/PersonPanel";
import { useOwnRating } from "../person/useOwnRating";
import { RateForm } from "../trip/RateForm";
import { OtherTrips } from "../trip/TripParts";
import { useHappenings } from "../trip/useHappenings";
import { useToRate } from "../trip/useToRate";
import { headline, STATUS, toldToRider } from "../trip/words";
import { useAnnounce } from "../../ui/announcer";
import { Notice } from "../../ui/Notice";
import { IS_TOUCHED } from "../../ui/pointing";
import { Problems } from "../../ui/Problems";
import { useKeptFocus } from "../../ui/useKeptFocus";
import { CurrentTrip } from "./CurrentTrip";
import { endAt, NO_END, pointOf, RequestForm, type End, type Which } from "./RequestForm";
import { useEstimate } from "./useEstimate";

const NAMES: Record<Which, string> = { pickUp: "pick-up", dropOff: "drop-off" };

/** What happens when a point of the map is chosen. */
function pickHint(next: Which, isMoved: boolean): string {
  const click = IS_TOUCHED ? "Tap the map" : "Click the map, or use the arrow keys and Enter,";
  if (!isMoved) return `${click} to choose the ${NAMES[next]}.`;
  const other = NAMES[next === "pickUp" ? "dropOff" : "pickUp"];
  return `${click} to move the ${NAMES[next]}. For the ${other}, ${IS_TOUCHED ? "tap" : "click"} its field first.`;
}

/** The panel in which a rider requests, follows and rates a trip. */
export function RiderPanel({ connection, person, onPerson, isDemo, onDemoOver, onNews }: RolePanelProps) {
  const { trips, problems, learn: learned } = useMyTrips();
  useOwnRating(person, trips?.[0]?.rider, onPerson);
  const [pickUp, setPickUp] = useState(() => (isDemo ? endAt(DEMO_RIDE.from) : NO_END));
  const [dropOff, setDropOff] = useState(() => (isDemo ? endAt(DEMO_RIDE.to) : NO_END));
  const [used, setUsed] = useState<Which>("pickUp");
  const announce = useAnnounce();
  const title = useRef<HTMLHeadingElement>(null);
  const keptFocus = useKeptFocus(title);
  const trip = activeTrip(trips ?? []);
  const car = useCar(trip);
  const [from, to] = trip ? [trip.pickUp, trip.dropOff] : [pointOf(pickUp), pointOf(dropOff)];
  const estimate = useEstimate(connection, trip ? null : from, trip ? null : to);
  const [toRate, putOff] = useToRate(trip ? null : trips);
  const news = trip ? (trip.arrivedAt && trip.status === "STARTED" ? "Car is here" : STATUS[trip.status]) : "";

  useEffect(() => onNews(news), [news, onNews]);
  const isOver = isDemo && trips !== null && trips.length > 0 && trip === undefined;
  useEffect(() => {
    if (isOver) onDemoOver();
  }, [isOver, onDemoOver]);
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
  if (from) markers.push({ id: "pick-up", kind: "pick-up", point: from, title: "Pick-up" });
  if (to) markers.push({ id: "drop-off", kind: "drop-off", point: to, title: "Drop-off" });
  if (car && trip?.driver) {
    const title = `${trip.driver.firstName}'s car${car.isStale ? ", as it was last seen" : ""}`;
    markers.push({ id: "car", kind: "car", title, point: car.point, heading: car.heading });
  }
  const route = trip ? trip.route : estimate?.route;
  const ends = [from, to].filter((point) => point !== null);
  // Whoever waits for a car wants to see it come, and whoever rides wants to see the end of the ride.
  const goal = trip?.status === "STARTED" ? from : to;
  const points = car && goal ? [car.point, goal] : ends;

  return (
    <div {...keptFocus}>
      <BoardMap
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
        matters={{ key: trip ? `${trip.id} ${trip.status}` : "choosing", points: points.length > 0 ? points : BEGINNING }}
        onPick={trip ? undefined : pick}
        route={route ? { points: decode(route.encodedPolyline), isEstimated: route.estimated } : undefined}
      />
      <div className="work">
        {notice && <Notice text={notice} onDismiss={dismiss} />}
        {toRate?.driver && (
          <RateForm
            key={toRate.id}
            connection={connection}
            trip={toRate}
            name={toRate.driver.firstName}
            onRated={learned}
            onDismiss={putOff}
          />
        )}
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
            estimate={estimate}
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
          <CurrentTrip
            connection={connection}
            trip={trip}
            car={car}
            onCancelled={(cancelled) => {
              learned(cancelled);
              title.current?.focus({ preventScroll: true });
            }}
          />
        )}
        <OtherTrips
          connection={connection}
          trips={(trips ?? []).filter((each) => each !== trip)}
          isRest={trip !== undefined}
          partyOf={({ driver }) => driver}
          onRated={learned}
        />
      </div>
    </div>
  );
}
