/** What the schema's words are called on the screen. */
import type { TripStatus, WithdrawReason } from "./api/generated/graphql";
import type { Trip } from "./api/operations";

export const STATUS: Record<TripStatus, string> = {
  REQUESTED: "Requested",
  STARTED: "Driver on the way",
  IN_PROGRESS: "In the car",
  COMPLETED: "Arrived",
  CANCELLED: "Cancelled",
  EXPIRED: "Expired",
};

export const GONE: Record<WithdrawReason, string> = {
  TAKEN: "Another driver was faster",
  CANCELLED: "The rider called it off",
  EXPIRED: "Nobody took it in time",
  OUT_OF_RANGE: "Too far from you now",
};

/** The most pressing first. */
const ACTIVE: readonly TripStatus[] = ["IN_PROGRESS", "STARTED", "REQUESTED"];

/** The trip to show large: of those that have not ended, the one that has come furthest, else the newest. */
export function currentOf(trips: readonly Trip[] | null): Trip | undefined {
  return ACTIVE.flatMap((status) => (trips ?? []).filter((trip) => trip.status === status))[0];
}

/** What a rider reads above the trip. */
export function headline({ status, driver }: Trip): string {
  const name = driver?.firstName ?? "Your driver";
  switch (status) {
    case "REQUESTED":
      return "Looking for a driver";
    case "STARTED":
      return `${name} is on the way`;
    case "IN_PROGRESS":
      return `You are riding with ${name}`;
    default:
      return STATUS[status];
  }
}

export function minutes(seconds: number): string {
  return seconds < 45 ? "less than a minute" : `about ${Math.max(1, Math.round(seconds / 60))} min`;
}
