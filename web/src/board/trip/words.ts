/** The texts on the screen for the values of the schema. */
import type { CancelCode, ChangedBy, TripStatus, WithdrawReason } from "@taxirank/client";
import type { Route, Trip } from "../api/types";
import { inWords } from "../../map/geo";
import type { Happening } from "./useHappenings";

export const STATUS: Record<TripStatus, string> = {
  REQUESTED: "Requested",
  STARTED: "On the way",
  IN_PROGRESS: "In the car",
  COMPLETED: "Completed",
  CANCELLED: "Cancelled",
  EXPIRED: "Expired",
};

/** The same for drivers. */
export const STATUS_TO_DRIVER: Record<TripStatus, string> = {
  ...STATUS,
  STARTED: "To the rider",
  IN_PROGRESS: "Driving",
};

export const GONE: Record<WithdrawReason, string> = {
  TAKEN: "Another driver was faster",
  CANCELLED: "The rider cancelled it",
  EXPIRED: "No driver accepted it in time",
  OUT_OF_RANGE: "Too far from you now",
};

/** Why a trip was cancelled or given back, in the history. */
export const WHY: Record<CancelCode, string> = {
  CHANGED_PLANS: "plans have changed",
  WRONG_ADDRESS: "an address is wrong",
  DRIVER_TOO_FAR: "the driver is too far away",
  NO_SHOW: "the rider did not come",
  SAFETY: "for safety",
  ABANDONED: "nothing happened for a very long time",
  STAFF: "by decision of staff",
  OTHER: "for another reason",
};

/** The codes that riders and drivers choose from, in their words. */
export const RIDERS_REASONS: [CancelCode, string][] = [
  ["CHANGED_PLANS", "My plans have changed"],
  ["WRONG_ADDRESS", "An address is wrong"],
  ["DRIVER_TOO_FAR", "The driver is too far away"],
  ["SAFETY", "I do not feel safe"],
  ["OTHER", "Another reason"],
];
export const DRIVERS_REASONS: [CancelCode, string][] = [
  ["CHANGED_PLANS", "My plans have changed"],
  ["WRONG_ADDRESS", "An address is wrong"],
  ["DRIVER_TOO_FAR", "The pick-up is too far away"],
  ["SAFETY", "I do not feel safe"],
  ["OTHER", "Another reason"],
];

/** The rider's headline of a trip. */
export function headline(trip: Trip): string {
  const name = nameOfDriver(trip);
  switch (trip.status) {
    case "REQUESTED":
      return "Looking for a driver";
    case "STARTED":
      return trip.arrivedAt ? `${name} is here` : `${name} is on the way`;
    case "IN_PROGRESS":
      return `You are riding with ${name}`;
    default:
      return STATUS[trip.status];
  }
}

function nameOfDriver({ driver }: Trip): string {
  return driver?.firstName ?? "Your driver";
}

/** The message to a rider about a change. */
export function toldToRider(trip: Trip, before: Trip): Happening {
  switch (trip.status) {
    case "REQUESTED":
      return { text: `${nameOfDriver(before)} gave the trip back. Looking for another driver.`, stays: true };
    case "COMPLETED":
      return { text: `You have arrived: ${trip.dropOffAddress}`, stays: true };
    case "CANCELLED":
      return toldOfEnd(trip, "RIDER", nameOfDriver(before)) ?? { text: "Your trip is cancelled", stays: false };
    case "EXPIRED":
      return { text: "No driver accepted your trip in time. You can request it again.", stays: true };
    default:
      return { text: headline(trip), stays: false };
  }
}

/** The message to a driver about a change; null for the driver's own changes. */
export function toldToDriver(trip: Trip, { rider }: Trip): Happening | null {
  if (trip.status === "COMPLETED" && lastChange(trip) === "STAFF") return { text: "Staff completed the trip", stays: true };
  return trip.status === "CANCELLED" ? toldOfEnd(trip, "DRIVER", rider.firstName) : null;
}

/** Who cancelled a trip, and why; null if it was the reader. `name`: the other party's. */
function toldOfEnd(trip: Trip, reader: ChangedBy, name: string): Happening | null {
  const by = lastChange(trip);
  if (by === reader) return null;
  if (trip.cancelCode === "NO_SHOW") {
    return { text: `${name} waited for you at the pick-up, and cancelled the trip`, stays: true };
  }
  if (by === "SYSTEM") return { text: "The trip ended because nothing happened for a very long time", stays: true };
  return { text: `${by === "STAFF" ? "Staff" : name} cancelled the trip${because(trip)}`, stays: true };
}

function lastChange({ history }: Trip): ChangedBy | undefined {
  return history?.at(-1)?.changedBy;
}

function because({ cancelReason, cancelCode }: Trip): string {
  if (cancelReason) return `: ${cancelReason}`;
  return cancelCode && cancelCode !== "STAFF" && cancelCode !== "OTHER" ? `: ${WHY[cancelCode]}` : "";
}

/** How long a route is, and whether it follows streets: such as `2.4 km by road`. */
export function lengthInWords({ distanceM, estimated }: Route): string {
  return estimated ? `about ${inWords(distanceM)}` : `${inWords(distanceM)} by road`;
}

/** A duration on the screen, rounded as an estimate deserves. */
export function inTime(seconds: number): string {
  if (seconds < 8) return "a few seconds";
  if (seconds < 58) return `about ${Math.round(seconds / 5) * 5} s`;
  return `about ${Math.round(seconds / 60)} min`;
}
