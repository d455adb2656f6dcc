/** The texts of the page. */
import type { CancelCode } from "./api/generated/graphql";
import type { Driver, Trip } from "./model";
import type { Kind } from "./map/signs";

export const KIND: Record<Kind, string> = {
  available: "Available drivers",
  "on-trip": "Drivers on a trip",
  silent: "Silent drivers",
  request: "Open requests",
  "under-way": "Trips under way",
};

export const STATUS: Record<Trip["status"], string> = {
  REQUESTED: "Open",
  STARTED: "To the pick-up",
  IN_PROGRESS: "To the drop-off",
};

export function statusOf(trip: Trip): string {
  return trip.status === "STARTED" && trip.hasArrived ? "At the pick-up" : STATUS[trip.status];
}

export function kindOf(driver: Driver): "available" | "on-trip" | "silent" {
  if (driver.isSilent) return "silent";
  return driver.tripId === null ? "available" : "on-trip";
}

export function standingOf(driver: Driver): string {
  const standing = driver.tripId === null ? "Available" : "On a trip";
  return driver.isSilent ? `${standing}, silent` : standing;
}

/** A short age: `5 s`, `3 min`, `2 h 10 min`. */
export function age(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** The time of day, in the viewer's time zone. */
export function clock(at: number): string {
  return CLOCK.format(at);
}

/** A duration that is measured: `0.4 s`, `12 s`, `2 min 5 s`; a dash for none. */
export function duration(seconds: number | null): string {
  if (seconds === null) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** The codes of cancellations, in a counter. */
export const CODE: Record<CancelCode, string> = {
  CHANGED_PLANS: "plans changed",
  WRONG_ADDRESS: "wrong address",
  DRIVER_TOO_FAR: "driver too far",
  NO_SHOW: "no-show",
  SAFETY: "safety",
  ABANDONED: "abandoned",
  STAFF: "by staff",
  OTHER: "other",
};
