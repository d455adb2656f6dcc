import "./TripParts.css";

import type { TripStatus } from "./api/generated/graphql";
import type { Trip } from "./api/operations";
import { At } from "./ui/Dated";
import { STATUS } from "./words";

/** The addresses of a trip. */
export function Ends({ trip }: { trip: { pickUpAddress: string; dropOffAddress: string } }) {
  return (
    <dl className="ends">
      <div className="from">
        <dt>From</dt>
        <dd>{trip.pickUpAddress}</dd>
      </div>
      <div className="to">
        <dt>To</dt>
        <dd>{trip.dropOffAddress}</dd>
      </div>
    </dl>
  );
}

const STEPS: readonly TripStatus[] = ["REQUESTED", "STARTED", "IN_PROGRESS", "COMPLETED"];

/** The progress of a trip, in the words for the viewer's role. */
export function Progress({ status, words }: { status: TripStatus; words: Record<TripStatus, string> }) {
  const reached = STEPS.indexOf(status);
  return (
    <ol className="progress" aria-label="Progress">
      {STEPS.map((step, index) => (
        <li
          key={step}
          className={index < reached ? "done" : index === reached ? "now" : ""}
          aria-current={index === reached ? "step" : undefined}
        >
          {words[step]}
        </li>
      ))}
    </ol>
  );
}

const MAKERS = { RIDER: "the rider", DRIVER: "the driver", STAFF: "staff", SYSTEM: "nobody came in time" } as const;

/** Who changed what, and when. */
export function History({ trip }: { trip: Trip }) {
  return (
    <details className="history">
      <summary>History</summary>
      <ol>
        {(trip.history ?? []).map(({ version, status, at, changedBy, user }, index) => (
          <li key={version}>
            <At moment={at} />
            <span>
              <strong>{index > 0 && status === "REQUESTED" ? "Given back" : STATUS[status]}</strong>
{" "}
              · {user?.firstName ?? MAKERS[changedBy]}
            </span>
          </li>
        ))}
      </ol>
      {trip.cancelReason && <p className="reason">“{trip.cancelReason}”</p>}
    </details>
  );
}

/** The trips that have ended, and the open ones; `isRest`: another trip is shown large. */
export function OtherTrips({ trips, isRest }: { trips: Trip[]; isRest: boolean }) {
  if (trips.length === 0) return null;
  return (
    <section className="past">
      <h4>{isRest ? "Other trips" : "Your trips"}</h4>
      <ul>
        {trips.map((trip) => (
          <li key={trip.id} data-trip={trip.id}>
            <p className="line">
              <span>
                {trip.pickUpAddress} <span aria-label="to">→</span> {trip.dropOffAddress}
              </span>
              <span className={`status ${trip.status.toLowerCase()}`}>{STATUS[trip.status]}</span>
            </p>
            <History trip={trip} />
          </li>
        ))}
      </ul>
    </section>
  );
}
