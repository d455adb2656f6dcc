/** The city as the page has it: what the last message said, with ages counted by the server's clock. */
import type { GeoPoint } from "../map/geo";

export interface Driver {
  id: string;
  name: string;
  tripId: string | null;
  point: GeoPoint;
  /** In degrees clockwise from north. */
  heading: number | null;
  /** When the position was recorded, in milliseconds. */
  seenAt: number;
  /** The position is old: nothing has come since. */
  isSilent: boolean;
}

export interface Trip {
  id: string;
  status: "REQUESTED" | "STARTED" | "IN_PROGRESS";
  /** When it was requested, in milliseconds. */
  requestedAt: number;
  hasArrived: boolean;
  pickUp: GeoPoint | null;
  dropOff: GeoPoint | null;
  pickUpAddress: string;
  dropOffAddress: string;
  rider: Person;
  driver: Person | null;
}

export interface Person {
  id: string;
  name: string;
}

export interface City {
  /** When the server made it, in milliseconds. */
  at: number;
  drivers: ReadonlyMap<string, Driver>;
  trips: ReadonlyMap<string, Trip>;
  counts: { open: number; underWay: number; available: number; silent: number };
  /** Whether there are more drivers or trips than are sent. */
  isTruncated: boolean;
  /** What the server cannot read now: then this is what was last known. */
  outages: readonly ("DATABASE" | "POSITIONS")[];
}

/** Something on the map or in the list. */
export interface Thing {
  kind: "driver" | "trip";
  id: string;
}

export function isSame(a: Thing | null, b: Thing | null): boolean {
  return a?.id === b?.id && a?.kind === b?.kind;
}

/** Its page in the admin. */
export function pageOf({ kind, id }: Thing): string {
  return `/admin/${kind === "driver" ? "user" : "trip"}/detail?pk=${id}`;
}
