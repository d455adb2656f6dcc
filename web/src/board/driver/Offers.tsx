import "./Offers.css";

import type { Offers as Pool } from "@taxirank/client/react";

import type { GeoPoint } from "../../map/geo";
import { inWords } from "../../map/geo";
import { Party } from "../trip/Party";
import { Ends } from "../trip/TripParts";
import { GONE } from "../trip/words";
import { Remaining } from "../../ui/Dated";

interface Props {
  offers: Pool["entries"] | null;
  truncated: boolean;
  isBusy: boolean;
  metresTo: (point: GeoPoint) => number;
  onAccept: (id: string) => void;
}

/** The open requests around the driver. */
export function Offers({ offers, truncated, isBusy, metresTo, onAccept }: Props) {
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
      {offers.map(({ offer, withdrawn }) => (
        <li key={offer.id} data-trip={offer.id} className={withdrawn ? "offer gone" : "offer"}>
          <Party
            person={offer.rider}
            note={offer.pickUp ? `${inWords(metresTo(offer.pickUp))} from you` : "no position given"}
          >
            {withdrawn === null && offer.expiresAt && <Remaining until={offer.expiresAt} />}
          </Party>
          <Ends trip={offer} />
          {withdrawn === null ? (
            <button
              type="button"
              className="primary"
              data-next=""
              disabled={isBusy}
              onClick={() => onAccept(offer.id)}
            >
              Accept<span className="visually-hidden"> the trip of {offer.rider.firstName}</span>
            </button>
          ) : (
            <p className="why">{GONE[withdrawn]}</p>
          )}
        </li>
      ))}
      {truncated && <li className="quiet-text">There are more. These are the nearest.</li>}
    </ul>
  );
}
