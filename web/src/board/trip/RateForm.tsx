import "./RateForm.css";

import { useId, useState } from "react";
import { RateTrip, userProblems } from "@taxirank/client";

import type { Trip } from "../api/types";
import type { Connection } from "../../api/connection";
import { Problems } from "../../ui/Problems";
import { textOf, useForm } from "../../ui/useForm";

interface Props {
  connection: Connection;
  trip: Trip;
  /** The first name of the other party. */
  name: string;
  onRated: (trip: Trip) => void;
  /** Without it the form has no button to dismiss it. */
  onDismiss?: () => void;
}

const STARS = [1, 2, 3, 4, 5] as const;

/** Asks for the rating of the other party of a completed trip. */
export function RateForm({ connection, trip, name, onRated, onDismiss }: Props) {
  const id = useId();
  const [stars, setStars] = useState(0);
  const form = useForm([], async (data) => {
    const { data: answer, problems } = await connection.ask(RateTrip, {
      id: trip.id,
      stars,
      comment: textOf(data, "comment").trim() || null,
    });
    if (answer?.rateTrip.trip) onRated(answer.rateTrip.trip);
    return answer === null ? problems : userProblems(answer.rateTrip.errors);
  });
  return (
    <form className="rate" {...form.props} aria-label={`Rate ${name}`}>
      <fieldset>
        <legend>How was the ride with {name}?</legend>
        <div className="choose-stars">
          {STARS.map((each) => (
            <label key={each}>
              <input
                type="radio"
                name={`${id}-stars`}
                value={each}
                required
                checked={stars === each}
                onChange={() => setStars(each)}
              />
              <span aria-hidden="true" className={each <= stars ? "star" : "star off"}>
                {each <= stars ? "★" : "☆"}
              </span>
              <span className="visually-hidden">
                {each} star{each === 1 ? "" : "s"}
              </span>
            </label>
          ))}
        </div>
      </fieldset>
      {stars > 0 && (
        <label className="field">
          <span>A comment for staff (optional)</span>
          <input name="comment" maxLength={1000} autoComplete="off" />
        </label>
      )}
      <Problems problems={form.problems} />
      <div className="buttons">
        {stars > 0 && (
          <button type="submit" className="primary" disabled={form.isBusy}>
            Send the rating
          </button>
        )}
        {onDismiss && (
          <button type="button" className="quiet" onClick={onDismiss}>
            Not now
          </button>
        )}
      </div>
    </form>
  );
}
