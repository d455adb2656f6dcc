import "./TripParts.css";

import type { TripStatus } from "@taxirank/client";
import type { Route, Trip } from "../api/types";
import type { Connection } from "../../api/connection";
import { At } from "../../ui/Dated";
import { RateForm } from "./RateForm";
import { lengthInWords, STATUS, WHY } from "./words";

interface EndsProps {
  trip: { pickUpAddress: string; dropOffAddress: string; route?: Route | null };
  /** The time until the drop-off, in words. */
  dropOffIn?: string | null;
}

/** The addresses of a trip, and how far it is from one to the other. */
export function Ends({ trip, dropOffIn }: EndsProps) {
  const dropOffNote = [trip.route && lengthInWords(trip.route), dropOffIn].filter(Boolean).join(", ");
  return (
    <dl className="ends">
      <div className="from">
        <dt>From</dt>
        <dd>{trip.pickUpAddress}</dd>
      </div>
      <div className="to">
        <dt>To</dt>
        <dd>
          {trip.dropOffAddress} {dropOffNote && <small>{dropOffNote}</small>}
        </dd>
      </div>
    </dl>
  );
}

const STEPS: readonly TripStatus[] = ["REQUESTED", "STARTED", "IN_PROGRESS", "COMPLETED"];

interface ProgressProps {
  trip: Trip;
  words: Record<TripStatus, string>;
  /** What to say while the driver waits at the pick-up. */
  waiting: string;
}

/** The progress of a trip, in the words for the viewer's role. */
export function Progress({ trip: { status, arrivedAt }, words, waiting }: ProgressProps) {
  const reached = STEPS.indexOf(status);
  return (
    <ol className="progress" aria-label="Progress">
      {STEPS.map((step, index) => (
        <li
          key={step}
          className={index < reached ? "done" : index === reached ? "now" : ""}
          aria-current={index === reached ? "step" : undefined}
        >
          {index === reached && step === "STARTED" && arrivedAt ? waiting : words[step]}
        </li>
      ))}
    </ol>
  );
}

const MAKERS = { RIDER: "the rider", DRIVER: "the driver", STAFF: "staff", SYSTEM: "the server" } as const;

/** Who changed what, and when. */
export function History({ trip }: { trip: Trip }) {
  return (
    <details className="history">
      <summary>History</summary>
      <ol>
        {(trip.history ?? []).map(({ version, status, at, arrived, cancelCode, reason, changedBy, user }, index) => (
          <li key={version}>
            <At moment={at} />
            <span>
              <strong>
                {arrived ? "At the pick-up" : index > 0 && status === "REQUESTED" ? "Given back" : STATUS[status]}
              </strong>{" "}
              · {user?.firstName ?? MAKERS[changedBy]}
              {/* Staff are named already. */}
              {cancelCode && cancelCode !== "STAFF" && `: ${WHY[cancelCode]}`}
              {reason && <q>{reason}</q>}
            </span>
          </li>
        ))}
      </ol>
    </details>
  );
}

/** Whether the user may rate a trip, and has not. */
export function canBeRated({ status, myRating }: Trip): boolean {
  return status === "COMPLETED" && myRating === null;
}

interface OtherProps {
  connection: Connection;
  trips: Trip[];
  /** Another trip is shown large. */
  isRest: boolean;
  /** The other party of a trip. */
  partyOf: (trip: Trip) => { firstName: string } | null;
  onRated: (trip: Trip) => void;
}

/** The trips that have ended, and the open ones. */
export function OtherTrips({ connection, trips, isRest, partyOf, onRated }: OtherProps) {
  if (trips.length === 0) return null;
  return (
    <section className="past">
      <h4>{isRest ? "Other trips" : "Your trips"}</h4>
      <ul>
        {trips.map((trip) => {
          const party = partyOf(trip);
          return (
            <li key={trip.id} data-trip={trip.id}>
              <p className="line">
                <span>
                  {trip.pickUpAddress} <span aria-label="to">→</span> {trip.dropOffAddress}
                </span>
                <span className={`status ${trip.status.toLowerCase()}`}>{STATUS[trip.status]}</span>
              </p>
              <small>
                <At moment={trip.created} />
                {trip.myRating !== null && ` · you gave ${trip.myRating} star${trip.myRating === 1 ? "" : "s"}`}
              </small>
              {canBeRated(trip) && party && (
                <details className="to-rate">
                  <summary>Rate {party.firstName}</summary>
                  <RateForm connection={connection} trip={trip} name={party.firstName} onRated={onRated} />
                </details>
              )}
              <History trip={trip} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}
