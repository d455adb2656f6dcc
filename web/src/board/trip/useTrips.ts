import { useCallback, useEffect, useReducer, useState } from "react";

import type { Connection } from "../../api/connection";
import { MyTrips, type Trip } from "../api/trips";
import type { Problem } from "../../api/problems";

type Known = ReadonlyMap<string, Trip>;
type News = { is: "all"; trips: Trip[] } | { is: "one"; trip: Trip };

function learn(known: Known | null, news: News): Known {
  if (news.is === "all") return new Map(news.trips.map((trip) => [trip.id, trip]));
  const { trip } = news;
  const before = known?.get(trip.id);
  // A mutation's answer may be older than what the subscription has sent in the meantime.
  return before && before.version > trip.version ? known! : new Map(known).set(trip.id, trip);
}

/** A user's trips, kept up to date, newest first; null until the first snapshot. */
export function useTrips(connection: Connection) {
  const [known, tell] = useReducer(learn, null);
  const [problems, setProblems] = useState<Problem[]>([]);

  useEffect(
    () =>
      connection.follow(
        MyTrips,
        {},
        ({ myTripsUpdated: event }) => {
          setProblems([]);
          if (event.__typename === "MyTripsSnapshot") tell({ is: "all", trips: event.trips });
          else tell({ is: "one", trip: event.trip });
        },
        setProblems,
      ),
    [connection],
  );

  const learned = useCallback((trip: Trip) => tell({ is: "one", trip }), []);
  const trips = known && [...known.values()].sort((a, b) => b.created.localeCompare(a.created));
  return { trips, problems, learned };
}
