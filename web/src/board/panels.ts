/** The panels of the board: one for each person. */
import type { Role } from "@taxirank/client";

export interface Panel {
  /** `RIDER`, `DRIVER-1`, `DRIVER-2`, …: stays the same when panels are added or removed. */
  id: string;
  role: Role;
  /** The session's token; null while nobody is logged in. */
  token: string | null;
  /** A demo presses the buttons of this panel. */
  isDemo?: boolean;
}

const STORED_AS = "taxirank.panels";
const CHOSEN_STORED_AS = "taxirank.chosen";
export const MOST_DRIVERS = 4;

const EMPTY: readonly Panel[] = [
  { id: "RIDER", role: "RIDER", token: null },
  { id: "DRIVER-1", role: "DRIVER", token: null },
];

/**
 * The panels as they were before a reload.
 *
 * Tokens are kept in the storage of this tab: another tab does not see them, and they are gone when it is closed. A cookie
 * would be safer from scripts, but a browser has one for all panels; and no foreign script runs here (see the policy of
 * the page).
 */
export function loadPanels(): Panel[] {
  const stored = read<Panel[]>(STORED_AS);
  return Array.isArray(stored) && stored.length > 0 ? stored : [...EMPTY];
}

export function storePanels(panels: readonly Panel[]): void {
  write(STORED_AS, panels);
}

/** The panel that was shown before a reload, if only one is shown at a time. */
export function loadChosen(panels: readonly Panel[]): string {
  const stored = read<string>(CHOSEN_STORED_AS);
  return (panels.find(({ id }) => id === stored) ?? panels[0]!).id;
}

export function storeChosen(id: string): void {
  write(CHOSEN_STORED_AS, id);
}

/** One more driver's panel, with the lowest number that is free. */
export function withDriver(panels: readonly Panel[]): Panel[] {
  const taken = new Set(panels.map(({ id }) => id));
  const id = Array.from({ length: MOST_DRIVERS }, (_, index) => `DRIVER-${index + 1}`).find((each) => !taken.has(each));
  return id === undefined ? [...panels] : [...panels, { id, role: "DRIVER", token: null }];
}

/** The title of a panel: the first driver needs no number. */
export function titleOf({ id, role }: Panel): string {
  if (role === "RIDER") return "Rider";
  const number = id.split("-")[1];
  return number === "1" ? "Driver" : `Driver ${number}`;
}

/** A value in the storage of this tab. */
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
    // No storage in this browser: the value is lost at a reload.
  }
}
