import { activeTrip, Me } from "@taxirank/client";
import { useMyTrips, useOffers, type Offers as Pool, type OffersEvent } from "@taxirank/client/react";
import { useCallback, useEffect, useRef } from "react";

import type { Trip } from "../api/types";
import { BoardMap } from "../map/BoardMap";
import { distance, toGeoPoint } from "../../map/geo";
import { BEGINNING } from "../../map/MapView";
import type { Marker } from "../../map/markers";
import { drivesHere } from "../demo/pace";
import { decode } from "../../map/polyline";
import type { RolePanelProps } from "../person/PersonPanel";
import { useOwnRating } from "../person/useOwnRating";
import { RateForm } from "../trip/RateForm";
import { OtherTrips } from "../trip/TripParts";
import { useHappenings } from "../trip/useHappenings";
import { useToRate } from "../trip/useToRate";
import { GONE, toldToDriver } from "../trip/words";
import { useAnnounce } from "../../ui/announcer";
import { Notice } from "../../ui/Notice";
import { IS_TOUCHED } from "../../ui/pointing";
import { Problems } from "../../ui/Problems";
import { useKeptFocus } from "../../ui/useKeptFocus";
import { CurrentTrip } from "./CurrentTrip";
import { DutySwitch } from "./DutySwitch";
import { Offers } from "./Offers";
import { Paused } from "./Paused";
import { useCar } from "./useCar";
import { useTripChanges } from "./useTripChanges";

/** The panel in which a driver goes on duty, sees offers, accepts one, drives, and rates. */
export function DriverPanel({ connection, person, onPerson, panelId, onNews }: RolePanelProps) {
  const { trips: known, problems: tripProblems, learn: learned } = useMyTrips();
  // A trip that was given back no longer belongs to this driver.
  const trips = known?.filter(({ driver }) => driver?.id === person.id) ?? null;
  const trip = activeTrip(trips ?? []);
  useOwnRating(person, trips?.[0]?.driver, onPerson);
  const announce = useAnnounce();
  const say = useCallback((text: string) => announce(`Driver: ${text}`), [announce]);
  const title = useRef<HTMLHeadingElement>(null);
  const keptFocus = useKeptFocus(title);
  const changes = useTripChanges(connection, trip, {
    learned,
    moved: () => {
      stop();
      title.current?.focus({ preventScroll: true });
    },
    say,
  });
  const { taking } = changes;
  const onEvent = useCallback(
    (event: OffersEvent, before: Pool) => {
      switch (event.__typename) {
        case "TripOffered": {
          const { rider, pickUpAddress, dropOffAddress } = event.trip;
          say(`${rider.firstName} asks for a ride from ${pickUpAddress} to ${dropOffAddress}`);
          break;
        }
        case "TripWithdrawn": {
          const text = `an offer was withdrawn. ${GONE[event.reason]}`;
          // No message says that a trip left the pool which this driver has accepted.
          if (taking.has(event.tripId)) taking.set(event.tripId, text);
          else say(text);
          break;
        }
        case "PoolSnapshot": {
          // Staff may have decided: the pool says so, and the account says why.
          const [was, is] = [before.paused, event.paused].map((why) => why === "NOT_APPROVED");
          if (was && !is) say("staff have approved you");
          if (was || is) void connection.ask(Me, {}).then(({ data }) => data?.me && onPerson(data.me));
        }
      }
    },
    [connection, onPerson, say, taking],
  );
  const { offers, truncated, paused, problems: poolProblems } = useOffers({ onEvent });
  const isApproved = paused !== "NOT_APPROVED";
  const isOnDuty = paused !== "OFF_DUTY";
  // Without a trip the server takes positions only from drivers who get offers.
  const reports = trip !== undefined || (offers !== null && (paused === null || paused === "ON_TRIP"));
  const { car, way, problems: carProblems, moveTo, driveTo, stop } = useCar(connection, panelId, reports);
  const [toRate, putOff] = useToRate(trip ? null : trips);
  // A trip that was given back is not offered again.
  const open = (offers ?? []).filter(({ offer, withdrawn }) => !(withdrawn !== null && taking.has(offer.id)));
  const waiting = open.filter(({ withdrawn }) => withdrawn === null);

  useEffect(() => drivesHere(person.id), [person.id]);
  const offered = waiting.length === 0 ? "" : waiting.length === 1 ? "1 offer" : `${waiting.length} offers`;
  const news = trip ? "On a trip" : !isApproved ? (person.approval === "REFUSED" ? "Refused" : "Waiting") : isOnDuty ? offered : "Off duty";
  useEffect(() => onNews(news), [news, onNews]);

  // The trip was cancelled, by anyone: stop driving.
  const tripId = trip?.id;
  const hadTrip = useRef(tripId);
  useEffect(() => {
    if (hadTrip.current !== undefined && tripId === undefined) stop();
    hadTrip.current = tripId;
  }, [tripId, stop]);
  const [notice, dismiss] = useHappenings(trips, toldToDriver, say);

  const markers: Marker[] = trip ? ends(trip) : open.flatMap(offerMarker);
  markers.push({ id: "car", kind: "car", point: car.point, heading: car.heading, title: "Your car" });
  const target = trip?.status === "STARTED" ? trip.pickUp : trip?.status === "IN_PROGRESS" ? trip.dropOff : null;
  const line = trip?.route ? decode(trip.route.encodedPolyline) : undefined;
  const isStraight = trip?.route?.estimated ?? true;

  const marked = markers.map(({ point }) => point);
  const points = trip ? [car.point, ...(target ? [target] : [])] : marked.length > 1 ? marked : [...marked, ...BEGINNING];

  function drive() {
    if (way) stop();
    else if (target) driveTo(target, trip?.status === "IN_PROGRESS" && !isStraight ? line : undefined);
  }

  return (
    <div {...keptFocus}>
      <BoardMap
        label="Map of the driver"
        hint={
          IS_TOUCHED
            ? "Drag your car, or tap where it should be."
            : "Drag your car, click where it should be, or steer it with the arrow keys."
        }
        markers={markers}
        onPick={(point) => moveTo(point)}
        onMoveCar={moveTo}
        matters={{ key: trip ? `${trip.id} ${trip.status}` : "offers", points }}
        way={way?.map(toGeoPoint)}
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
          {offers !== null && isApproved && (
            <DutySwitch connection={connection} isOnDuty={isOnDuty} hasTrip={trip !== undefined} />
          )}
        </div>
        <Problems
          problems={[
            ...carProblems,
            ...tripProblems,
            ...poolProblems,
            // The errors of an offer that is no longer shown are removed.
            ...(trip ? [] : waiting.flatMap(({ offer }) => changes.problemsOf(offer.id))),
          ]}
        />
        {trip ? (
          <CurrentTrip
            trip={trip}
            point={car.point}
            target={target}
            isDriving={way !== null}
            changes={changes}
            onDrive={drive}
          />
        ) : paused ? (
          <Paused why={paused} connection={connection} person={person} onPerson={onPerson} />
        ) : (
          <Offers
            offers={offers === null ? null : open}
            truncated={truncated}
            isBusy={changes.isBusy}
            metresTo={(point) => distance(car.point, point)}
            onAccept={(id) => void changes.move(id, "STARTED")}
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

function offerMarker({ offer, withdrawn }: Pool["entries"][number]): Marker[] {
  if (withdrawn !== null || offer.pickUp === null) return [];
  return [{ id: offer.id, kind: "request", point: offer.pickUp, title: `${offer.rider.firstName} waits here` }];
}
