import "./RequestForm.css";

import { useEffect, useId, useRef, useState, type FormEvent } from "react";
import { flushSync } from "react-dom";
import { RequestTrip, userProblems } from "@taxirank/client";

import type { Trip } from "../api/types";
import type { Connection } from "../../api/connection";
import { randomText } from "../api/randomText";
import { format, parse, type GeoPoint } from "../../map/geo";
import { PLACES, placeNamed } from "../../map/places";
import { focusOnFault } from "../../ui/faults";
import { IS_TOUCHED } from "../../ui/pointing";
import { Problems } from "../../ui/Problems";
import { useProblems } from "../../api/useProblems";
import { EstimateLine } from "./EstimateLine";
import type { Estimated } from "./useEstimate";

/** The pick-up or drop-off of a trip: typed, picked on the map, or a named place. */
export interface End {
  address: string;
  /** The text of the field, which need not be a position. */
  position: string;
}

export const NO_END: End = { address: "", position: "" };

/** Pick-up or drop-off. */
export type Which = "pickUp" | "dropOff";

interface Props {
  connection: Connection;
  pickUp: End;
  dropOff: End;
  /** What the trip would be like; null while that is unknown. */
  estimate: Estimated | null;
  onChange: (which: Which, end: End) => void;
  /** The user focuses or hovers over the fields of an end. */
  onPoint: (which: Which) => void;
  onRequested: (trip: Trip) => void;
}

/** The form for the pick-up and drop-off of a new trip. The map can fill it too. */
export function RequestForm({ connection, pickUp, dropOff, estimate, onChange, onPoint, onRequested }: Props) {
  const [problems, setProblems] = useProblems(connection);
  const [isBusy, setIsBusy] = useState(false);
  // The idempotency key: a retry after a lost answer does not create a second trip.
  const asked = useRef({ request: "", key: "" });

  // The errors were about the previous request.
  useEffect(() => setProblems([]), [pickUp, dropOff, setProblems]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const wrong = [pickUp, dropOff].some(({ position }) => position.trim() !== "" && parse(position) === null);
    if (wrong) {
      setProblems([{ code: "BAD_POSITION", text: "A position is a latitude and a longitude, such as 52.3731, 4.8926." }]);
      focusOnFault(form);
      return;
    }
    const request = JSON.stringify([pickUp, dropOff]);
    if (asked.current.request !== request) asked.current = { request, key: randomText() };
    setIsBusy(true);
    const { data, problems: failed } = await connection.ask(RequestTrip, {
      input: {
        pickUpAddress: pickUp.address.trim(),
        dropOffAddress: dropOff.address.trim(),
        pickUp: parse(pickUp.position),
        dropOff: parse(dropOff.position),
        idempotencyKey: asked.current.key,
      },
    });
    flushSync(() => {
      setIsBusy(false);
      setProblems(data === null ? failed : userProblems(data.createTrip.errors));
    });
    if (data?.createTrip.trip) {
      asked.current = { request: "", key: "" };
      onRequested(data.createTrip.trip);
    } else focusOnFault(form);
  }

  return (
    <form className="request" onSubmit={(event) => void submit(event)} aria-label="Request a trip">
      <EndFields
        legend="Pick-up"
        kind="from"
        end={pickUp}
        onChange={(end) => onChange("pickUp", end)}
        onPoint={() => onPoint("pickUp")}
      />
      <EndFields
        legend="Drop-off"
        kind="to"
        end={dropOff}
        onChange={(end) => onChange("dropOff", end)}
        onPoint={() => onPoint("dropOff")}
      />
      <div className="actions">
        {estimate && <EstimateLine estimate={estimate} />}
        <Problems problems={problems} />
        <button className="primary" type="submit" disabled={isBusy} data-next={estimate ? "" : undefined}>
          Request a trip
        </button>
      </div>
    </form>
  );
}

interface EndProps {
  legend: string;
  kind: "from" | "to";
  end: End;
  onChange: (end: End) => void;
  onPoint: () => void;
}

function EndFields({ legend, kind, end, onChange, onPoint }: EndProps) {
  const id = useId();
  const isWrong = end.position.trim() !== "" && parse(end.position) === null;

  function name(address: string) {
    const place = placeNamed(address);
    const before = placeNamed(end.address);
    // Remove the position that belonged to the previous place name.
    const rest = before && end.position === format(before.point) ? "" : end.position;
    onChange({ address, position: place ? format(place.point) : rest });
  }

  return (
    <fieldset className={`end ${kind}`} onPointerDown={onPoint}>
      <legend>{legend}</legend>
      <div className="field">
        <label htmlFor={`${id}-address`}>Address or place</label>
        <input
          id={`${id}-address`}
          list={`${id}-places`}
          value={end.address}
          required
          maxLength={255}
          autoComplete="off"
          placeholder={`${IS_TOUCHED ? "Tap" : "Click"} the map, or type`}
          onChange={(event) => name(event.currentTarget.value)}
        />
        <datalist id={`${id}-places`}>
          {PLACES.map((place) => (
            <option key={place.name} value={place.name} />
          ))}
        </datalist>
      </div>
      <div className="field position">
        <label htmlFor={`${id}-position`}>Latitude, longitude</label>
        <input
          id={`${id}-position`}
          value={end.position}
          inputMode="text"
          autoComplete="off"
          placeholder="optional"
          aria-invalid={isWrong || undefined}
          onChange={(event) => onChange({ ...end, position: event.currentTarget.value })}
        />
      </div>
    </fieldset>
  );
}

/** An end at a named place. */
export function endAt(name: string): End {
  const place = placeNamed(name);
  return { address: name, position: place ? format(place.point) : "" };
}

/** The position of a pick-up or drop-off, if it has one. */
export function pointOf({ position }: End): GeoPoint | null {
  return parse(position);
}
