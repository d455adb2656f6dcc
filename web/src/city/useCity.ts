import { useEffect, useState } from "react";
import type { Problem } from "@taxirank/client";

import { Connection, type SocketState } from "../api/connection";
import { LiveCity, toDriver, toTrip, type CityMessage } from "./api/city";
import type { City } from "./model";

/** What there is of the city, and whether it is true now. */
export interface Watching {
  connection: Connection | null;
  /** What was last known; null before the first message, and after the end of the session. */
  city: City | null;
  link: SocketState | "ended" | "refused";
  /** When the last message came, in milliseconds. */
  heardAt: number | null;
}

const NOTHING: Watching = { connection: null, city: null, link: "connecting", heardAt: null };
/** The codes of a caller who is no member of staff, or not any more. */
const REFUSED = ["FORBIDDEN", "UNAUTHENTICATED"];

/** Follows the city with the session of the browser's cookie, until the page is left or the session ends. */
export function useCity(): Watching {
  const [watching, setWatching] = useState(NOTHING);

  useEffect(() => {
    let isLeft = false;
    const change = (change: Partial<Watching>) => {
      if (!isLeft) setWatching((before) => (isOver(before) ? before : { ...before, ...change }));
    };
    // Whose session has ended sees nothing more, not even what was last known.
    const end = (link: "ended" | "refused") => change({ link, city: null, connection: null });
    const connection = new Connection("cookie", () => end("ended"));
    setWatching({ ...NOTHING, connection });
    const stopListening = connection.listen(() => change({ link: connection.readState() }));
    let city: City | null = null;
    const unfollow = connection.follow(
      LiveCity,
      {},
      ({ city: message }) => {
        city = after(city, message);
        change({ city, heardAt: Date.now() });
      },
      (problems: Problem[]) => {
        if (problems.some(({ code }) => REFUSED.includes(code))) end("refused");
      },
    );
    return () => {
      isLeft = true;
      unfollow();
      stopListening();
      connection.close();
    };
  }, []);

  return watching;
}

function isOver({ link }: Watching): boolean {
  return link === "ended" || link === "refused";
}

/** The city after a message. */
function after(before: City | null, message: CityMessage): City | null {
  const { drivers, trips } = message;
  const common = {
    at: Date.parse(message.at),
    counts: message.counts,
    isTruncated: message.truncated,
    outages: message.outages,
  };
  if (message.__typename === "CitySnapshot") {
    return { ...common, drivers: byId(new Map(), drivers.map(toDriver)), trips: byId(new Map(), trips.map(toTrip)) };
  }
  // A change without a snapshot before it cannot come.
  if (before === null) return null;
  return {
    ...common,
    drivers: byId(before.drivers, drivers.map(toDriver), message.removedDriverIds),
    trips: byId(before.trips, trips.map(toTrip), message.removedTripIds),
  };
}

/** These with what has changed; the same object if nothing has. */
function byId<Each extends { id: string }>(
  before: ReadonlyMap<string, Each>,
  changed: readonly Each[],
  gone: readonly string[] = [],
): ReadonlyMap<string, Each> {
  if (changed.length === 0 && gone.length === 0) return before;
  const next = new Map(before);
  for (const each of changed) next.set(each.id, each);
  for (const id of gone) next.delete(id);
  return next;
}
