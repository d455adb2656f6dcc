/** The texts on the screen for the values of the schema. */
import type { ChangedBy, TripStatus, WithdrawReason } from "./api/generated/graphql";
import type { Trip } from "./api/operations";
import type { Happening } from "./useHappenings";

export const STATUS: Record<TripStatus, string> = {
  REQUESTED: "Requested",
  STARTED: "Driver on the way",
  IN_PROGRESS: "In the car",
  COMPLETED: "Arrived",
  CANCELLED: "Cancelled",
  EXPIRED: "Expired",
};

/** The same for drivers. */
export const STATUS_TO_DRIVER: Record<TripStatus, string> = {
  ...STATUS,
  STARTED: "To the pick-up",
  IN_PROGRESS: "To the drop-off",
};

export const GONE: Record<WithdrawReason, string> = {
  TAKEN: "Another driver was faster",
  CANCELLED: "The rider cancelled it",
  EXPIRED: "No driver accepted it in time",
  OUT_OF_RANGE: "Too far from you now",
};

/** The most advanced status first. */
const ACTIVE: readonly TripStatus[] = ["IN_PROGRESS", "STARTED", "REQUESTED"];

/** The trip to show large: the active trip with the most advanced status; of several, the newest. */
export function currentOf(trips: readonly Trip[] | null): Trip | undefined {
  return ACTIVE.flatMap((status) => (trips ?? []).filter((trip) => trip.status === status))[0];
}

/** The rider's headline of a trip. */
export function headline(trip: Trip): string {
  const name = nameOfDriver(trip);
  switch (trip.status) {
    case "REQUESTED":
      return "Looking for a driver";
    case "STARTED":
      return `${name} is on the way`;
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
      return wasChangedBy(trip, "STAFF")
        ? { text: `Your trip was cancelled by staff${because(trip)}`, stays: true }
        : { text: "Your trip is cancelled", stays: false };
    case "EXPIRED":
      return { text: "No driver accepted your trip in time. You can request it again.", stays: true };
    default:
      return { text: headline(trip), stays: false };
  }
}

/** The message to a driver about a change; null for the driver's own changes. */
export function toldToDriver(trip: Trip, { rider }: Trip): Happening | null {
  if (trip.status !== "CANCELLED") return null;
  const by = wasChangedBy(trip, "STAFF") ? "Staff" : rider.firstName;
  return { text: `${by} cancelled the trip${because(trip)}`, stays: true };
}

function wasChangedBy({ history }: Trip, who: ChangedBy): boolean {
  return history?.at(-1)?.changedBy === who;
}

function because({ cancelReason }: Trip): string {
  return cancelReason ? `: ${cancelReason}` : "";
}

export function minutes(seconds: number): string {
  return seconds < 45 ? "less than a minute" : `about ${Math.max(1, Math.round(seconds / 60))} min`;
}
