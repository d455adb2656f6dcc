/** The panels of the page, and who sits in each. */
import type { Role } from "./api/generated/graphql";

export interface Seat {
  /** `RIDER`, `DRIVER-1`, `DRIVER-2`, …: stays the same when others come or go. */
  id: string;
  role: Role;
  /** The session's token; null while nobody is logged in. */
  token: string | null;
}

const STORED_AS = "taxirank.seats";
const CHOSEN_STORED_AS = "taxirank.chosen";
export const MOST_DRIVERS = 4;

const EMPTY: readonly Seat[] = [
  { id: "RIDER", role: "RIDER", token: null },
  { id: "DRIVER-1", role: "DRIVER", token: null },
];

/**
 * The seats as they were before a reload.
 *
 * Tokens are kept in the storage of this tab: another tab does not see them, and they are gone when it is closed. A cookie
 * would be safer from scripts, but a browser has one for all panels; and no foreign script runs here (see the policy of
 * the page).
 */
export function loadSeats(): Seat[] {
  const stored = read<Seat[]>(STORED_AS);
  return Array.isArray(stored) && stored.length > 0 ? stored : [...EMPTY];
}

export function storeSeats(seats: readonly Seat[]): void {
  write(STORED_AS, seats);
}

/** The seat whose panel was shown before a reload, where one is shown at a time. */
export function loadChosen(seats: readonly Seat[]): string {
  const stored = read<string>(CHOSEN_STORED_AS);
  return (seats.find(({ id }) => id === stored) ?? seats[0]!).id;
}

export function storeChosen(id: string): void {
  write(CHOSEN_STORED_AS, id);
}

/** One more driver's seat, with the lowest number that is free. */
export function withDriver(seats: readonly Seat[]): Seat[] {
  const taken = new Set(seats.map(({ id }) => id));
  const id = Array.from({ length: MOST_DRIVERS }, (_, index) => `DRIVER-${index + 1}`).find((each) => !taken.has(each));
  return id === undefined ? [...seats] : [...seats, { id, role: "DRIVER", token: null }];
}

/** What a seat is called: the first driver needs no number. */
export function titleOf({ id, role }: Seat): string {
  if (role === "RIDER") return "Rider";
  const number = id.split("-")[1];
  return number === "1" ? "Driver" : `Driver ${number}`;
}

/** Something that this tab remembers. */
export function read<Value>(key: string): Value | null {
  try {
    const text = sessionStorage.getItem(key);
    return text === null ? null : (JSON.parse(text) as Value);
  } catch {
    return null;
  }
}

export function write(key: string, value: unknown): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // No storage in this browser: a reload begins anew.
  }
}
